"""Listing, offer, licence terms, search, quote (signed here)."""
