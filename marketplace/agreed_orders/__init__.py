"""Orders at agreed prices: what a partner ordered for less than everybody pays stays on its menu, which is audited with it."""
