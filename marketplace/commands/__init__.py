"""The command line's commands, a file each; `registry.COMMANDS` lists them in the order that `--help` shows."""
