"""Where datasets lie: the box around each one's zones, so that those of the same ground are found among many; and what is drawn of them."""
