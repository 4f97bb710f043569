"""The one-command default: embedded PostgreSQL, local Stripe counterpart, demo world."""
