"""Private offers: a dataset at a part of its price for one partner alone, until a day; nothing public shows that it exists."""
