"""Signing in and getting back in: factors, recovery, providers; pages of who has access."""
