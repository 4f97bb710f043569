"""Signing in and getting back in: factors, recovery, providers; pages of people who have access."""
