"""Reconciliation, exceptions, the trial balance and journal pages."""
