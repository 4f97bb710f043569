"""Listings, offers, demand, signed quotes."""
