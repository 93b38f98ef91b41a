"""The command line. What a command needs is imported when it is called: `--help` and `validate` load no torch."""
