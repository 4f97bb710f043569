"""Orders, subscriptions, agreed prices and auctions."""
