"""Codes decided without database or clock: which half minute a code is of, and how recovery codes are written.

Source: RFC 6238 (TOTP, SHA-1, six digits, 30 seconds, as every authenticator app reads it).
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING, Final

import pyotp

from marketplace.identity.rules import digest

if TYPE_CHECKING:
    import datetime as dt

STEP_SECONDS: Final = 30
LATE_STEPS: Final = 1
"""How many half minutes a clock may be off, either way."""
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 16
"""128 random bits: enough for a plain hash."""
RECOVERY_LENGTHS: Final = {-(-RECOVERY_BYTES * 8 // 5), 24, 16}
"""Of a code without its dashes; the versions before made shorter ones."""
ISSUER: Final = "Partage"
FACTOR_COOKIE: Final = "factor"
"""The mark of a browser in which a person showed their second factor: who knows the password alone is not given it."""


class FormWaitsError(Exception):
    """A proof was asked for in the middle of a form, which is shown again once it is given."""

    def __init__(self, following: str, sent_to: str, written: dict[str, list[str]]) -> None:
        """Keep the page that has the form, the path that it is sent to, and what was written by field."""
        super().__init__(sent_to)
        self.following, self.sent_to, self.written = following, sent_to, written


def step_of(secret: str, code: str, now: dt.datetime) -> int | None:
    """Return the half minute since 1970 whose code this is, among those around `now`; None when it is of none."""
    digits = re.sub(r"\s", "", code)
    if not re.fullmatch("[0-9]{6}", digits):
        return None
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    steps = range(current - LATE_STEPS, current + LATE_STEPS + 1)
    fitting = [step for step in steps if hmac.compare_digest(totp.at(step * STEP_SECONDS), digits)]
    return max(fitting, default=None)


def address_for_apps(secret: str, name: str) -> str:
    """Return what an authenticator app reads from the picture: the secret, and whose it is."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def written(code: bytes) -> str:
    """Return a recovery code as groups of four."""
    text = base64.b32encode(code).decode().rstrip("=")
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def hash_of(code: str) -> str:
    """Return the hash of a recovery code as people type it: dashes, spaces and small letters count for nothing."""
    return digest("".join(sign for sign in code.upper() if sign.isalnum()).replace("0", "O").replace("1", "I"))


def looks_like_recovery(code: str) -> bool:
    """Return whether something typed can be a recovery code rather than an app's."""
    return len(re.sub(r"[\W_]", "", code)) in RECOVERY_LENGTHS
