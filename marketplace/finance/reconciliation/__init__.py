"""Reconciliation: exceptions, what settles them, write-offs, and the overview of all money."""
