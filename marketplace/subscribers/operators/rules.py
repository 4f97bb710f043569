"""Rules of the operator's own systems: the scopes of a key, and the code that one request makes."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from marketplace.core.errors import Invalid
from marketplace.people.identity.lines import CODE_BYTES, written_code

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

SCOPES: Final = ("consents", "codes", "lines", "balances")
"""Record consents and withdrawals; make activation codes; see whether a line is in force and its consents.

See its balance.
"""
KEY_PREFIX: Final = "ok_"
PREFIX_LENGTH: Final = 11


def clean_scopes(scopes: Sequence[str]) -> str:
    """Return the scopes of a key as stored, all of them by default; refuses an unknown word."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise Invalid("A key may do {scopes}, nothing else.", scopes=", ".join(SCOPES))
    return " ".join(scope for scope in SCOPES if not scopes or scope in scopes)


def code_of(secret: str, request: uuid.UUID, reference: int) -> str:
    """Return the activation code of a request for a line: always the same, and 136 bits strong without the secret."""
    made = hmac.new(secret.encode(), f"activation code {request} {reference}".encode(), hashlib.sha256).digest()
    return written_code(made[:CODE_BYTES])


def plain_code(code: str) -> str:
    """Return a code as it is hashed, without dashes: it has neither 0 nor 1, which people mistake for letters."""
    return code.replace("-", "")
