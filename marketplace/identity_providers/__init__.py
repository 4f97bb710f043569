"""Signing in by an identity provider of one's own organisation (OpenID Connect), where the operator has named it."""
