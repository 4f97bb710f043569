"""Purposes, notices, receipts, withdrawal; who consented at an instant."""
