"""The brain: the child process that holds torch, may be killed at any time, and is never the only one who knows."""
