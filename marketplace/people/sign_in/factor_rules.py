"""Rules for codes, without database or clock: the half minute of a code, and how recovery codes are written.

Source: RFC 6238 (TOTP, SHA-1, six digits, 30 seconds, as every authenticator app reads it).
"""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import re
from typing import Final

import pyotp

from marketplace.people.identity.rules import digest

STEP_SECONDS: Final = 30
LATE_STEPS: Final = 1
"""How many half minutes a clock may be off, in either direction."""
FREE_CODES: Final = 10
"""Codes that unknown browsers may try before each further one waits, and the owner gets a letter."""
FIRST_WAIT: Final = dt.timedelta(seconds=30)
LONGEST_WAIT: Final = dt.timedelta(days=1)
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 16
"""128 random bits: enough for a plain hash."""
RECOVERY_LENGTH: Final = -(-RECOVERY_BYTES * 8 // 5)
"""Length of a code without its dashes."""
ISSUER: Final = "Partage"
FACTOR_COOKIE: Final = "factor"
"""The mark of a browser in which a person showed their second factor; knowing the password alone does not give it."""


class FormWaitsError(Exception):
    """A proof of identity interrupted a form, which is shown again afterwards."""

    def __init__(self, following: str, sent_to: str, written: dict[str, list[str]]) -> None:
        """Store the page that has the form, the path that it is sent to, and its fields' values."""
        super().__init__(sent_to)
        self.following, self.sent_to, self.written = following, sent_to, written


def step_of(secret: str, code: str, now: dt.datetime) -> int | None:
    """Return the half minute since 1970 of this code, among those around `now`; None if it is of none of them."""
    digits = re.sub(r"\s", "", code)
    if not re.fullmatch("[0-9]{6}", digits):
        return None
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    steps = range(current - LATE_STEPS, current + LATE_STEPS + 1)
    fitting = [step for step in steps if hmac.compare_digest(totp.at(step * STEP_SECONDS), digits)]
    return max(fitting, default=None)


def address_for_apps(secret: str, name: str) -> str:
    """Return the content of the picture for an authenticator app: the secret, and its owner."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def written(code: bytes) -> str:
    """Return a recovery code as groups of four."""
    text = base64.b32encode(code).decode().rstrip("=")
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def hash_of(code: str) -> str:
    """Return the hash of a recovery code as people type it: dashes, spaces and case do not matter."""
    return digest("".join(sign for sign in code.upper() if sign.isalnum()).replace("0", "O").replace("1", "I"))


def looks_like_recovery(code: str) -> bool:
    """Return whether a typed text can be a recovery code rather than an app's code."""
    return len(re.sub(r"[\W_]", "", code)) == RECOVERY_LENGTH


def wait_left(tried: int, last: dt.datetime | None, now: dt.datetime) -> dt.timedelta:
    """Return how long the next code waits after so many, the last one tried at `last`; doubled each time, a day at most."""
    if last is None or tried < FREE_CODES:
        return dt.timedelta(0)
    wait = min(FIRST_WAIT * 2 ** min(tried - FREE_CODES, 20), LONGEST_WAIT)
    left: dt.timedelta = max(last + wait - now, dt.timedelta(0))
    return left
