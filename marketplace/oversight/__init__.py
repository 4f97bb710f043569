"""What lets others check us: the public log, people's rights, invariants."""
