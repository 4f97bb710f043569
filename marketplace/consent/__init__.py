"""Purposes, notices, receipts and switches: what each person lets be done with their data."""
