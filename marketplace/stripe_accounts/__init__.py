"""Accounts at Stripe: our own, as it should be set up, and those of the people who are paid through it."""
