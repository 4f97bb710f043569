"""The public log, checked offline: tiles, checkpoints, a day's hidden items, proofs, and what they show."""
