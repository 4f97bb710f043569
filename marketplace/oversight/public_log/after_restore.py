"""Continue the log after a restore: only if everything that was published is known.

The store may serve more than a restored database has. Then its entries are brought back, so that nobody sees a second
history. If later heads may have been published that neither has, only a witness can prove that there were none.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from marketplace.core import clock
from marketplace.core.backup.tables import Restoration
from marketplace.core.database import copy_in, transaction
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.files import reader
from marketplace.oversight.public_log.queries import count_entries, find_head, list_entries
from marketplace.oversight.public_log.tables import LogHead
from marketplace.oversight.public_log.witnessing import ask_size, list_seen
from pricing.log.notes import is_signed, read_key
from pricing.log.proofs import read_entry
from pricing.log.tiles import Tiles
from pricing.merkle import merkle_root
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.oversight.public_log.queries import Head
    from pricing.log.notes import Checkpoint

SPLIT = (
    "The public log stays as it is: {what}. To go on would show people two histories. Bring back a database and a store "
    "that agree, or begin a new log: set PARTAGE_LOG_ORIGIN to another name, and say so on your site."
)


async def catch_up(origin: str, published: Checkpoint | None) -> int:
    """Bring back the entries that the store serves and the database lacks; return how many. Refuses two histories."""
    if published is None:
        return 0
    if published.origin != origin:
        raise Conflict(
            SPLIT, what=f"the store serves {published.origin} where {origin} would be: its last part must be new"
        )
    head = await find_head(published.size, origin)
    if head is not None and head.root == published.root.hex():
        return 0
    last = await find_head()
    ours = {str(rules.key_of(origin, settings().log_key)), *([last.key] if last else [])}
    if head is not None or not any(is_signed(published, read_key(key)) for key in ours):
        raise Conflict(SPLIT, what=f"the store serves a head of {published.size} entries that is not of this log")
    size = await count_entries()
    if size > published.size:
        raise Conflict(SPLIT, what=f"the store serves {published.size} entries, and the database has {size} others")
    tiles = Tiles(reader(origin), published.size)
    try:
        written = await asyncio.to_thread(lambda: list(tiles.entries()))
    except PricingRefusal as problem:
        raise Conflict(SPLIT, what=str(problem)) from problem
    here = [entry.content for entry in await list_entries(0, size)]
    if written[:size] != here or tiles.root() != published.root:
        raise Conflict(SPLIT, what=f"the {size} entries of the database are not the first that the store serves")
    rows = []
    for number, content in enumerate(written[size:], size):
        stated = read_entry(content)
        rows.append((number, stated["kind"], str(stated.get("subject", stated.get("day"))), content))
    async with transaction():
        await copy_in("log_entry", ["number", "kind", "subject", "content"], rows)
        await LogHead.insert(
            LogHead(
                origin=origin,
                size=published.size,
                root=published.root.hex(),
                note=published.note(),
                key=str(rules.key_of(origin, settings().log_key)),
                signed_at=last.signed_at if last else clock.now(),  # ask the witnesses after this restore
            )
        )
    return len(rows)


_known_last: set[str] = set()
"""Logs, by origin, whose last head this process made, or asked the witnesses about."""


async def refuse_unless_last(origin: str, published: Checkpoint | None) -> None:
    """Refuse to sign the first head after a restore if a later one than ours may have been published.

    Every witness is asked, and must answer. If only the database went back to an instant, the store serves the latest
    head, and no witness is needed. A log begun under another name has no earlier head. A new process also asks the
    witnesses that answer, since a machine restored from a snapshot of its disks does not know it. In that case only a
    head with this log's own signature stops the log, and a witness's word alone does not.
    """
    head = await find_head()
    if head is None or head.origin != origin:
        return
    is_restored = await _was_restored_since(
        head.signed_at, is_whole=published is not None and published.size >= head.size
    )
    if not is_restored and origin in _known_last:
        return
    witnesses = list(rules.read_witnesses(settings().log_witnesses))
    if is_restored and not witnesses:
        raise Conflict(SPLIT, what="it was restored, and no witness can say whether later heads were published")
    for key, address in witnesses if is_restored else ():
        size = await ask_size(key, address, head.note)
        if size > head.size:
            raise Conflict(SPLIT, what=f"{key.name} cosigned {size} entries, and the backup has {head.size}")
    keys = [read_key(one) for one in {head.key, str(rules.key_of(origin, settings().log_key))}]
    for name, seen in await list_seen(witnesses):
        is_signed_here = seen.origin == origin and any(is_signed(seen, key) for key in keys)
        if is_signed_here and not await _contains(head, published, seen):
            raise Conflict(
                SPLIT, what=f"{name} has a head of {seen.size} entries, signed by this log, of another history"
            )


async def _contains(head: Head, published: Checkpoint | None, seen: Checkpoint) -> bool:
    """Return whether the last signed head contains a head that somebody has seen."""
    if published and seen.size <= published.size:
        tiles = Tiles(reader(head.origin), published.size)
        return await asyncio.to_thread(tiles.hash_of, 0, seen.size) == seen.root
    here = [entry.content for entry in await list_entries(0, seen.size)]
    return seen.size <= head.size and merkle_root(here) == seen.root


def note_last(origin: str, *, is_ours: bool) -> None:
    """Note that this process made a log's last head; or, not is_ours, that a witness refuses it: ask again."""
    (_known_last.add if is_ours else _known_last.discard)(origin)


async def _was_restored_since(signed_at: dt.datetime, *, is_whole: bool) -> bool:
    """Return whether database and store went back after an instant. is_whole: the store has all signed entries."""
    since = [Restoration.restored_at > signed_at, *([Restoration.backup_sha256 != ""] if is_whole else [])]
    return await Restoration.exists().where(*since)
