"""The command line. Its modules import what a command needs when it is called: `--help` and `validate` load no torch."""
