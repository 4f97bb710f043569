"""Auctions for partners, their kinds and pages; calls for contributors."""
