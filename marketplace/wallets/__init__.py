"""Signing in by a European Digital Identity Wallet (OpenID4VP 1.0), where the operator is a registered relying party."""
