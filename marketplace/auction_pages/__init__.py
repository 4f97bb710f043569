"""The pages of auctions: bidding on the live page, receipts, payment methods, announcing; the same for machines."""
