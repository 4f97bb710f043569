"""The kinds of auction, one file each: how bids are checked, how it clears, what its page shows, its words."""
