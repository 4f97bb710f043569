"""The bank, reconciliation, bookkeeping and e-invoicing."""
