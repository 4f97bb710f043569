"""Reads of a person's second factors for pages."""

from __future__ import annotations

import datetime as dt
import uuid

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.people.sign_in.factor_tables import Authenticator, Passkey


class AuthenticatorRow(Struct, frozen=True):
    """An authenticator app as stored."""

    id: uuid.UUID
    sealed: bytes
    key_id: str
    confirmed_at: dt.datetime | None
    last_step: int
    tried_codes: int
    tried_at: dt.datetime | None


class PasskeyRow(Struct, frozen=True):
    """A passkey as stored."""

    id: uuid.UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    label: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None


class Factors(Struct, frozen=True):
    """A person's factors besides the password, and how many recovery codes are left."""

    authenticator: dt.datetime | None
    """When they added an app; None without one."""
    passkeys: list[PasskeyRow]
    codes_left: int

    @property
    def count(self) -> int:
        """Return how many factors there are, without recovery codes."""
        return len(self.passkeys) + (self.authenticator is not None)


async def find_authenticator(person: uuid.UUID) -> AuthenticatorRow | None:
    """Return a person's authenticator app, confirmed or not."""
    return await fetch_row(
        AuthenticatorRow, select(AuthenticatorRow, Authenticator).where(Authenticator.person == person)
    )


async def list_passkeys(person: uuid.UUID) -> list[PasskeyRow]:
    """Return a person's passkeys, the oldest first."""
    mine = select(PasskeyRow, Passkey).where(Passkey.person == person).order_by(Passkey.created_at)
    return await fetch_rows(PasskeyRow, mine)


async def get_factors(person: uuid.UUID) -> Factors:
    """Return a person's factors besides the password."""
    app = await find_authenticator(person)
    mine = """SELECT count(*) FROM recovery_code WHERE person = $1 AND used_at IS NULL"""
    left = await fetch_scalar(int, mine, person) or 0
    return Factors(app.confirmed_at if app else None, await list_passkeys(person), left)
