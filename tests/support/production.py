"""What an operator sets before anything of ours handles real people: keys of their own, and real payments."""

from __future__ import annotations

OPERATORS_OWN = {
    "STRIPE_API_KEY": "sk_test_of_an_operator",
    "STRIPE_API_BASE": "",
    "STRIPE_WEBHOOK_SECRET": "whsec_of_an_operator",
    "PARTAGE_SECRET": "a secret of the operator's own, long enough",
    "PARTAGE_SIGNING_KEY": "0a" * 32,
    "PARTAGE_BID_PUBLIC_KEY": "0b" * 32,
    "PARTAGE_IDENTITY_KEYS": "own:" + "0c" * 32,
    "SELLER_SIREN": "732829320",
    "VIES_URL": "",
}
"""What `serve`, `jobs`, `build` and `ingest` refuse to start without."""
