"""The one-command default: embedded PostgreSQL, local Stripe counterpart, demo with its seeded data."""
