"""Columns and constraints of second factors. A person's factors are deleted with the person."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import Ends, Erasure, Of, PersonalData, of_a_person
from marketplace.people.identity.tables import Person

ONES_OWN = of_a_person("until removed")
"""An export lists a person's second factors and when they were used, and has no secret of theirs."""


class Authenticator(Table, db=DB, tablename="authenticator"):
    """An app that shows a code of six digits every half minute (RFC 6238); one a person."""

    personal_data = ONES_OWN
    id = UUID(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade, unique=True)
    sealed = Bytea()
    """The secret that the app shares, sealed in the vault for this row."""
    key_id = Text()
    """The key of PARTAGE_IDENTITY_KEYS that sealed it."""
    created_at = Timestamptz()
    confirmed_at = Timestamptz(null=True, default=None)
    """When its first code was given; it does not count before that."""
    last_step = BigInt(default=0)
    """The half minute of the last accepted code: no code works twice."""
    tried_codes = BigInt(default=0)
    """Codes that unknown browsers tried since the last right one; the wait before the next one grows with them."""
    tried_at = Timestamptz(null=True, default=None)
    step_is_positive = Check("last_step >= 0")


class Passkey(Table, db=DB, tablename="passkey"):
    """A key pair of a person's device, whose private half never leaves it (WebAuthn)."""

    personal_data = ONES_OWN
    id = UUID(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    credential_id = Bytea(unique=True)
    public_key = Bytea()
    """COSE, as the device gave it."""
    sign_count = BigInt(default=0)
    """The device's own count of signatures; a count that goes down shows a copy."""
    label = Text()
    created_at = Timestamptz()
    last_used_at = Timestamptz(null=True, default=None)
    label_is_named = Check("length(label) BETWEEN 1 AND 80")


class PasskeyChallenge(Table, db=DB, tablename="passkey_challenge"):
    """A number that a device is asked to sign, for one session, once."""

    personal_data = PersonalData(
        (Of.PARTNER, Of.SUBSCRIBER, Of.STAFF),
        "10 minutes, then the next clean-up",
        exported=False,
        erasure=Erasure.DELETED,
        ends=Ends("created_at"),
    )
    session_hash = Text(primary_key=True)
    """SHA-256 of the session's secret, hex."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    challenge = Bytea()
    created_at = Timestamptz()


class RecoveryCode(Table, db=DB, tablename="recovery_code"):
    """A code on paper for a person who has lost the device; it works once."""

    personal_data = ONES_OWN
    code_hash = Text(primary_key=True)
    """SHA-256 of 128 random bits, hex."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    created_at = Timestamptz()
    used_at = Timestamptz(null=True, default=None)
