"""Proofs that people download: an entry, or their own hidden item, in the log as it is now published."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING

from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.oversight.public_log.actions import read_published
from marketplace.oversight.public_log.files import reader
from marketplace.oversight.public_log.queries import (
    current_origin,
    find_entry,
    find_item,
    get_tree,
    list_entries,
    list_hidden,
    list_items_between,
)
from pricing.log.days import bucket_of, item_leaf, path_of, salt_of
from pricing.log.proofs import Item, Proof, faults_of, write_proof
from pricing.log.tiles import Tiles
from pricing.log.verdicts import contradictions
from pricing.merkle import inclusion_path

if TYPE_CHECKING:
    from marketplace.oversight.public_log.queries import Entry

NOT_YET = "The log does not have it yet: days are logged once they are over, and what happens within seconds."

CHANGED = "This was changed: it is not what the log was given."


async def prove_entry(number: int) -> str:
    """Return the file with the proof of an entry; refuses one that is not published."""
    entries = await list_entries(number, number + 1)
    if not entries:
        raise NotFound("The log has no such entry.")
    return await _proven(entries[0], None)


async def prove_item(kind: str, source: str, document: bytes) -> str:
    """Return the file with the proof of a hidden item; refuses one that is in no published day, or was changed since."""
    placed = existing(await find_item(kind, source), NotFound(NOT_YET))
    tree = await get_tree(placed.tree)
    if placed.digest != hashlib.sha256(document).digest():
        raise Conflict("This was changed: it is not what the log was given on {day}.", day=tree.day)
    bucket = await list_items_between(tree.id, *bucket_of(placed.place))
    leaves = [(one.place, item_leaf(salt_of(tree.key, one.source), one.digest)) for one in bucket]
    path = await asyncio.to_thread(path_of, tree.key, tree.crown, leaves, placed.place)
    entry = await find_entry(kind, tree.day.isoformat())
    if entry is None:
        raise Conflict(CHANGED)
    return await _proven(entry, Item(source, document, salt_of(tree.key, source), path))


async def prove_price(kind: str, quote: bytes) -> str:
    """Return the proof of a quote's price inputs; refuses a quote without inputs in a published day.

    If several inputs were stated that day, the proof is of those that the quote agrees with; if it agrees with none of
    them, of the first, which contradicts it.
    """
    document = json.loads(quote)
    if "quoted_at" not in document:
        raise NotFound("The log has what posted prices depended on; this price was bid.")
    quoted_at = dt.datetime.fromisoformat(document["quoted_at"]).astimezone(dt.UTC)
    stated = await list_hidden(kind, f"{document['offer']} {quoted_at.date().isoformat()} ")
    if not stated:
        raise NotFound(NOT_YET)
    price, lot = document["price"], document.get("lot", 0)
    agreeing = [one for one in stated if not contradictions("", price, json.loads(one.document), lot)]
    chosen = (agreeing or stated)[0]
    return await prove_item(kind, chosen.source, chosen.document.encode())


async def _proven(entry: Entry, item: Item | None) -> str:
    origin = await current_origin()
    published = await read_published(origin)
    if published is None or published.size <= entry.number:
        raise NotFound(NOT_YET)
    tiles = Tiles(reader(origin), published.size)
    path = await asyncio.to_thread(inclusion_path, tiles.hash_of, entry.number, published.size)
    proof = Proof(entry.number, path, published, entry.content, item)
    if faults_of(proof, hashlib.sha256(item.document).digest() if item else b""):
        raise Conflict(CHANGED)  # in the database, whose owner cannot change what the log's files have
    return write_proof(proof)
