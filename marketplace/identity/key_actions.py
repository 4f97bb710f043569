"""What changes API keys: a partner makes and revokes them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.errors import NotFound
from marketplace.identity import rules
from marketplace.identity.rules import digest
from marketplace.identity.sessions import form_secret
from marketplace.identity.tables import ApiKey

if TYPE_CHECKING:
    import uuid

    from marketplace.database import Values

SHOWN_AGAIN = dt.timedelta(minutes=10)
"""How long the same form shows the secret it made once more: a double click or a refresh loses nothing."""
KEY_PREFIX = "pk_"


async def create_key(partner: uuid.UUID, label: str, *, key_id: uuid.UUID, session: str) -> str | None:
    """Make a partner's API key and return it; the same form again returns the same key for ten minutes, then None.

    session: the secret of the person who asks; the key follows from it and the form, and cannot be made from the database.
    """
    label, now = rules.clean_text(label, 80, field="label"), clock.now()
    key = KEY_PREFIX + form_secret(session, key_id, partner)
    new = ApiKey(
        id=key_id,
        partner=partner,
        label=label,
        prefix=key[:9],
        key_hash=digest(key),
        created_at=now,
        last_used_at=None,
        revoked_at=None,
    )
    await ApiKey.insert(new).on_conflict(action="DO NOTHING")
    is_this_one = (ApiKey.id == key_id) & (ApiKey.partner == partner) & (ApiKey.key_hash == digest(key))
    is_fresh = (ApiKey.revoked_at.is_null()) & (ApiKey.created_at > now - SHOWN_AGAIN)
    return key if await ApiKey.exists().where(is_this_one, is_fresh) else None


async def revoke_key(partner: uuid.UUID, key_id: uuid.UUID) -> None:
    """End an API key of this partner at once; ended twice it stays ended."""
    mine = (ApiKey.id == key_id) & (ApiKey.partner == partner)
    revoked: Values = {ApiKey.revoked_at: clock.now()}
    await ApiKey.update(revoked).where(mine, ApiKey.revoked_at.is_null())
    if not await ApiKey.exists().where(mine):
        raise NotFound("There is no such key.")
