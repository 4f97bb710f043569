"""Passes into a sandbox, signed by the site whose partners may enter, and read by the sandbox alone.

A sandbox is a separate installation: another database, other objects and keys, a test Stripe. It gets only a company's
name, country and VAT number, and a number in place of the partner's id. Nothing there can be matched with data here.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import uuid
from typing import Final

import msgspec
from msgspec import Struct

from marketplace.core.errors import Expired, Invalid
from marketplace.core.signing import sign, verify

USE: Final = b"partage sandbox pass 1\n"
"""The beginning of what a pass's signature covers; it distinguishes a pass from a quote, a receipt or a bid."""
LASTS: Final = dt.timedelta(minutes=10)
SIGNATURE_BYTES: Final = 64
LONGEST: Final = 2_000
NAMESPACE: Final = uuid.UUID("0b0f4c86-0c5a-4a0e-9a35-6d3c9f1f6f0e")


class Pass(Struct, frozen=True):
    """A company that may enter, and until when."""

    company_id: uuid.UUID
    """Derived from the partner's id; the id cannot be derived from it."""
    company: str
    country: str
    vat_number: str
    ends_at: dt.datetime

    @property
    def digest(self) -> str:
        """Return the pass's unique digest, hex."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def company_id_of(partner: uuid.UUID, secret: str) -> uuid.UUID:
    """Return a partner's number in the sandbox: always the same, and not computable without the site's secret."""
    return uuid.uuid5(NAMESPACE, f"{secret} {partner}")


def write_pass(given: Pass, signing_key: str) -> str:
    """Return a pass as text for an address."""
    document = msgspec.json.encode(given)
    return base64.urlsafe_b64encode(sign(USE + document, signing_key) + document).decode().rstrip("=")


def read_pass(text: str, key: bytes, now: dt.datetime) -> Pass:
    """Return a pass that was read; refuses one of another site, an altered one, and an expired one."""
    try:
        raw = base64.urlsafe_b64decode(text[:LONGEST] + "=" * (-len(text[:LONGEST]) % 4))
    except ValueError:
        raw = b""
    signature, document = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    if not verify(USE + document, signature, key):
        raise Invalid("That is no pass into this sandbox.")
    given = msgspec.json.decode(document, type=Pass)
    if given.ends_at <= now:
        raise Expired("This pass is over; open the sandbox again from your keys.")
    return given
