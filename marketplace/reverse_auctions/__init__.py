"""Reverse auctions: the operator buys contributions; each subscriber may say, privately, the least they would accept."""
