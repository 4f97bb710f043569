"""Reads of Delta Sharing: credentials, and every entitlement of a partner."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.statements import load_statements
from marketplace.delivery.delta_sharing.history import SharedFile

SQL: Final = load_statements(__package__)
CREDENTIALS_SHOWN: Final = 50


class Credential(Struct, frozen=True):
    """A credential. open: it is not revoked and its maker has not left; its end is separate."""

    id: uuid.UUID
    partner: uuid.UUID
    owner: uuid.UUID | None
    kind: str
    label: str
    secret_hash: str | None
    public_key: str | None
    created_at: dt.datetime
    ends_at: dt.datetime
    last_used_at: dt.datetime | None
    is_open: bool
    owner_name: str | None


async def list_credentials(partner: uuid.UUID) -> list[Credential]:
    """Return a partner's credentials, the latest first, ended ones too."""
    return await fetch_rows(Credential, SQL["list_credentials"], partner, CREDENTIALS_SHOWN)


async def find_by_secret(digest: str) -> Credential | None:
    """Return the credential whose secret has this SHA-256, open or not."""
    return await fetch_row(Credential, SQL["find_by_secret"], digest)


async def find_credential(credential: uuid.UUID) -> Credential | None:
    """Return a credential, open or not."""
    return await fetch_row(Credential, SQL["find_by_id"], credential)


async def list_shared(partner: uuid.UUID, now: dt.datetime) -> list[SharedFile]:
    """Return every entitlement of a partner that has begun, also ended and revoked ones, by their beginnings."""
    return await fetch_rows(SharedFile, SQL["list_shared"], partner, now)
