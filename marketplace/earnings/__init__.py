"""Revenue share runs, accruals; the subscriber's pages."""
