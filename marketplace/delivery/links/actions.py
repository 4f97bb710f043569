"""Actions on personal links: make one, revoke one, open a file with one."""

from __future__ import annotations

import datetime as dt
import hmac
from typing import TYPE_CHECKING

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotAllowed, NotFound
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.delivery.downloads.queries import get_entitlement
from marketplace.delivery.downloads.rules import check_is_valid
from marketplace.delivery.links import rules
from marketplace.delivery.links.queries import SQL, OpenedLink, find_link, find_opened, list_links
from marketplace.delivery.links.tables import PersonalLink
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity.rules import clean_text

if TYPE_CHECKING:
    import uuid

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor


async def make_link(who: Actor, entitlement: uuid.UUID, *, link_id: uuid.UUID, label: str, days: int) -> None:
    """Make a link to a partner's own entitlement, for some days, at most until the licence ends.

    The same form again makes no other link. Refuses as a download does, a number of days that is not offered, and too
    many links at a time.
    """
    assert who.partner
    now, row = clock.now(), await get_entitlement(who.partner, entitlement)
    label = clean_text(label, 80, field="label")
    if days not in rules.DAYS:
        raise Invalid("A link works for {days} days.", days=" / ".join(map(str, rules.DAYS)), field="days")
    check_is_valid(row, now)
    async with transaction():
        await lock(f"links of {entitlement}")
        links = await list_links(who.partner, entitlement, now)
        if sum(link.is_open for link in links) >= rules.MOST_LINKS:
            raise Conflict("At most {most} links are open at once: revoke one first.", most=rules.MOST_LINKS)
        link = PersonalLink(
            id=link_id,
            entitlement=entitlement,
            owner=who.person,
            label=label,
            created_at=now,
            ends_at=min(now + dt.timedelta(days=days), row.ends_at),
        )
        if await PersonalLink.insert(link).on_conflict(action="DO NOTHING").returning(PersonalLink.id):
            await note_access(who, "link_made", link_id, entitlement=entitlement, days=days)


async def revoke_link(who: Actor, link: uuid.UUID) -> uuid.UUID:
    """End a link of this partner at once, and return its entitlement; repeating it changes nothing.

    A member may end only their own.
    """
    row = await find_link(link, clock.now())
    if row is None or row.partner != who.partner:
        raise NotFound("There is no such link.")
    if who.is_member and row.owner != who.person:
        raise NotAllowed("Only an administrator of your company may do that.")
    revoked: Values = {PersonalLink.revoked_at: clock.now()}
    is_open = (PersonalLink.id == link) & PersonalLink.revoked_at.is_null()
    if await PersonalLink.update(revoked).where(is_open).returning(PersonalLink.id):
        await note_access(who, "link_revoked", link, partner=who.partner)
    return row.entitlement


def signed(link: uuid.UUID, entitlement: uuid.UUID, ends_at: dt.datetime) -> str:
    """Return a link's signature."""
    return rules.signature(settings().secret, link, entitlement, ends_at)


async def open_link(link: uuid.UUID, signature: str) -> OpenedLink:
    """Return the file that a link opens, and note its use; refuses one that is altered, ended, revoked or not ours."""
    now = clock.now()
    row = await find_opened(link, now)
    if row is None or not hmac.compare_digest(signature.encode(), signed(row.link, row.id, row.link_ends_at).encode()):
        raise NotFound("There is no such link.")
    if not row.is_open:
        raise Expired("This link has ended; the person who sent it can make another.")
    if row.last_used_at is None or row.last_used_at < now - rules.USED_AGAIN:
        await execute(SQL["note_use"], link, now, now - rules.USED_AGAIN)
    return row


async def check_is_open(link: uuid.UUID) -> None:
    """Refuse a link that has ended."""
    row = await find_link(link, clock.now())
    if row is None or not row.is_open:
        raise Expired("This link has ended; the person who sent it can make another.")
