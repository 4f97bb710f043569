"""What an operator sets before anything of ours handles real people: keys of their own, and real payments."""

import hashlib
from typing import Final


def key(name: str) -> str:
    """Return a key of tests, 64 hex digits: the same for the same name, and as varied as a random one."""
    return hashlib.sha256(name.encode()).hexdigest()


OPERATORS_OWN: Final = {
    "PARTAGE_URL": "https://partage.example",
    "STRIPE_API_KEY": "sk_test_of_an_operator",
    "STRIPE_API_BASE": "",
    "STRIPE_WEBHOOK_SECRET": "whsec_of_an_operator",
    "PARTAGE_SECRET": "a secret of the operator's own, long enough",
    "PARTAGE_SIGNING_KEY": key("signing"),
    "PARTAGE_BID_PUBLIC_KEY": key("the public half of bids"),
    "PARTAGE_NOTES": "/var/lib/partage-notes",
    "PARTAGE_IDENTITY_KEYS": f"own:{key('identity')}",
    "SELLER_SIREN": "732829320",
    "STAFF_SECOND_FACTOR": "1",
    "VIES_URL": "",
}
"""What `serve`, `jobs`, `build` and `ingest` refuse to start without."""
