"""Shares of revenue, the month's close, statements; the index of contributions."""
