"""Actions on API keys: a partner makes, rotates and revokes them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, select
from marketplace.core.errors import Invalid, NotAllowed, NotFound, existing
from marketplace.core.settings import settings
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import rules
from marketplace.people.identity.rules import digest
from marketplace.people.identity.sessions import form_secret
from marketplace.people.identity.tables import ApiKey

if TYPE_CHECKING:
    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor


class Key(Struct, frozen=True):
    """An API key as it is replaced or ended."""

    label: str
    scopes: str
    owner: uuid.UUID | None
    replaces: uuid.UUID | None


SHOWN_AGAIN = dt.timedelta(minutes=10)
"""How long sending the same form again shows its new key again: a double click or a refresh loses nothing."""


async def create_key(
    partner: uuid.UUID,
    label: str,
    *,
    key_id: uuid.UUID,
    session: str,
    owner: uuid.UUID | None = None,
    scopes: str = " ".join(rules.SCOPES),
    days: int = rules.KEY_DAYS[-1],
    replaces: uuid.UUID | None = None,
) -> str | None:
    """Make a partner's API key and return it; the same form again returns the same key for ten minutes, then None.

    session: the secret of the person's session; the key is derived from it and the form, and never from the database
    alone. owner: the person who makes it; it ends with them. scopes: words of `rules.SCOPES`. days: how long it works. replaces: the first key of those it
    replaces, whose spending limit is its own.
    """
    label, now = rules.clean_text(label, 80, field="label"), clock.now()
    if days not in rules.KEY_DAYS:
        raise Invalid("A key works for {days} days.", days=" / ".join(map(str, rules.KEY_DAYS)), field="days")
    key = (rules.SANDBOX_KEY_PREFIX if settings().sandbox_of else rules.KEY_PREFIX) + form_secret(
        session, key_id, partner
    )
    new = ApiKey(
        id=key_id,
        partner=partner,
        label=label,
        prefix=key[:9],
        key_hash=digest(key),
        created_at=now,
        last_used_at=None,
        revoked_at=None,
        owner=owner,
        scopes=rules.clean_scopes(scopes),
        ends_at=now + dt.timedelta(days=days),
        replaces=replaces,
    )
    if await ApiKey.insert(new).on_conflict(action="DO NOTHING").returning(ApiKey.id):
        await note_access(owner, "key_made", key_id, partner=partner, scopes=new.scopes, days=days)
    is_this_one = (ApiKey.id == key_id) & (ApiKey.partner == partner) & (ApiKey.key_hash == digest(key))
    is_fresh = (ApiKey.revoked_at.is_null()) & (ApiKey.created_at > now - SHOWN_AGAIN)
    return key if await ApiKey.exists().where(is_this_one, is_fresh) else None


async def rotate_key(who: Actor, key_id: uuid.UUID, *, new_id: uuid.UUID, session: str) -> str | None:
    """Make a key with the scopes of an earlier one, and let the earlier one work for another week; return the new one.

    Refuses a member who made neither key; NotFound. The same form again answers as `create_key` does.
    """
    assert who.partner
    before = await _own_key(who, key_id)
    made = await create_key(
        who.partner,
        before.label,
        key_id=new_id,
        session=session,
        owner=who.person,
        scopes=before.scopes,
        replaces=before.replaces or key_id,
    )
    until = clock.now() + rules.ROTATION
    sooner: Values = {ApiKey.ends_at: until}
    if await ApiKey.update(sooner).where(ApiKey.id == key_id, ApiKey.ends_at > until).returning(ApiKey.id):
        await note_access(who, "key_replaced", key_id, by=new_id)
    return made


async def revoke_key(partner: uuid.UUID, key_id: uuid.UUID, *, by: Actor | None = None) -> None:
    """End an API key of this partner at once; repeating it changes nothing. A member may end only their own."""
    mine = (ApiKey.id == key_id) & (ApiKey.partner == partner)
    if by is not None:
        await _own_key(by, key_id)
    revoked: Values = {ApiKey.revoked_at: clock.now()}
    if await ApiKey.update(revoked).where(mine, ApiKey.revoked_at.is_null()).returning(ApiKey.id):
        await note_access(by, "key_revoked", key_id, partner=partner)
    if not await ApiKey.exists().where(mine):
        raise NotFound("There is no such key.")


async def _own_key(who: Actor, key_id: uuid.UUID) -> Key:
    """Return a key that this person may end or replace: their own, or any key of the partner that they administer."""
    query = select(Key, ApiKey).where(ApiKey.id == key_id, ApiKey.partner == who.partner)
    key = existing(await fetch_row(Key, query), NotFound("There is no such key."))
    if who.is_member and key.owner != who.person:
        raise NotAllowed("Only an administrator of your company may do that.")
    return key
