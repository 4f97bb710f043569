"""Columns and constraints of second factors. All of a person's go with the person."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import Ends, Erasure, Of, PersonalData, of_a_person

ONES_OWN = of_a_person("until removed")
"""Whose second factors are; an export says that there are some, and when they were used, and has no secret of theirs."""


class Authenticator(Table, db=DB, tablename="authenticator"):
    """An app that shows a code of six digits every half minute (RFC 6238); one a person."""

    personal_data = ONES_OWN
    id = UUID(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade, unique=True)
    sealed = Bytea()
    """The secret that the app shares, sealed in the vault for this row."""
    key_id = Text()
    """Which of PARTAGE_IDENTITY_KEYS sealed it."""
    created_at = Timestamptz()
    confirmed_at = Timestamptz(null=True, default=None)
    """When its first code was given; it counts for nothing before."""
    last_step = BigInt(default=0)
    """The half minute of the last code that was accepted: no code is good twice."""
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
    """How often the device says that it signed; one that goes back is a copy."""
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
    """A code on paper for who has lost the device; good once."""

    personal_data = ONES_OWN
    code_hash = Text(primary_key=True)
    """SHA-256 of 128 random bits, hex."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    created_at = Timestamptz()
    used_at = Timestamptz(null=True, default=None)
