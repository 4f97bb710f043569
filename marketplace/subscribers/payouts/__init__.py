"""Paying subscribers what is theirs: bank details, payout runs, and the pages that show both with their earnings."""
