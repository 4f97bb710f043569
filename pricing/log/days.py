"""A day's hidden items: one leaf of the log represents all of them, and reveals neither which they are nor how many.

The rule this file keeps: a day always has one leaf a kind, over a tree of 2^40 places. An item lies at the place that
its own name gives; every other subtree is a hash that looks like any other. So a path always has 40 hashes and reveals
nothing about its neighbours, and an item missing from its place was left out.

An item's leaf binds a salt and the SHA-256 of a document: without both, guessing reveals nothing.

Source: RFC 6962, section 2.1 (separate hashing of leaves and nodes); BLAKE2, RFC 7693 (keyed: the hashes of empty
places).
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, TypeAlias

from pricing.merkle import leaf_hash, node_hash, subtree
from pricing.refusals import OutOfRange

DEPTH: Final = 40
"""Levels of a day's tree: with a million items a day, one in two days finds its place occupied, and moves to the next
day."""
CROWN: Final = 8
"""Levels above the crown, the row of 256 nodes from which a path is computed without all items."""
HASH_BYTES: Final = 32
Items: TypeAlias = Sequence[tuple[int, bytes]]
"""Places and leaves, sorted by place."""


def place_of(kind: str, source: str) -> int:
    """Return an item's place: the first 40 bits of the SHA-256 of its kind and its name, a zero byte between."""
    return int.from_bytes(hashlib.sha256(f"{kind}\0{source}".encode()).digest()[: DEPTH // 8], "big")


def item_leaf(salt: bytes, digest: bytes) -> bytes:
    """Return the leaf of a document with this SHA-256; salt: 32 secret bytes."""
    return leaf_hash(salt + digest)


def salt_of(key: bytes, source: str) -> bytes:
    """Return the salt of an item, 32 bytes, from the day's secret key, 32 bytes."""
    return hashlib.blake2b(b"salt" + source.encode(), key=key, digest_size=HASH_BYTES).digest()


def crown_of(key: bytes, items: Items) -> bytes:
    """Return the crown over a day's items: 256 hashes of 32 bytes, each over one 256th of all places."""
    width = DEPTH - CROWN
    return b"".join(_node(key, _within(items, number, width), CROWN, number) for number in range(1 << CROWN))


def root_of(crown: bytes) -> bytes:
    """Return the root over a crown."""
    return subtree([crown[at : at + HASH_BYTES] for at in range(0, len(crown), HASH_BYTES)])


def bucket_of(place: int) -> tuple[int, int]:
    """Return the first place, and the one after the last, of this place's 256th: a path needs the items in it."""
    first = place >> (DEPTH - CROWN) << (DEPTH - CROWN)
    return first, first + (1 << (DEPTH - CROWN))


def path_of(key: bytes, crown: bytes, bucket: Items, place: int) -> tuple[bytes, ...]:
    """Return the 40 hashes of the path from a place to the root. bucket: the items of `bucket_of` this place."""
    path = []
    for height in range(DEPTH - CROWN):
        beside = place >> height ^ 1
        path.append(_node(key, _within(bucket, beside, height), DEPTH - height, beside))
    row = [crown[at : at + HASH_BYTES] for at in range(0, len(crown), HASH_BYTES)]
    number = place >> (DEPTH - CROWN)
    while len(row) > 1:
        path.append(row[number ^ 1])
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
        number >>= 1
    return tuple(path)


def root_from(place: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root from a leaf at a place and these 40 hashes; refuses OutOfRange for another number of them."""
    if len(path) != DEPTH:
        msg = f"a path has {DEPTH} hashes, not {len(path)}"
        raise OutOfRange(msg)
    reached = leaf
    for height, beside in enumerate(path):
        reached = node_hash(beside, reached) if place >> height & 1 else node_hash(reached, beside)
    return reached


def _within(items: Items, number: int, height: int) -> Items:
    """Return the items below node `number` of the row that is `height` levels above the places."""
    low, high = number << height, (number + 1) << height
    return items[bisect_left(items, (low, b"")) : bisect_left(items, (high, b""))]


def _node(key: bytes, items: Items, depth: int, number: int) -> bytes:
    """Return the hash of node `number` of the row at `depth`, over these items, which are all below it."""
    if not items:
        return _empty(key, depth, number)
    if len(items) == 1:
        return _alone(key, items[0], depth)
    middle = bisect_left(items, ((2 * number + 1) << (DEPTH - depth - 1), b""))
    left = _node(key, items[:middle], depth + 1, 2 * number)
    return node_hash(left, _node(key, items[middle:], depth + 1, 2 * number + 1))


def _alone(key: bytes, item: tuple[int, bytes], depth: int) -> bytes:
    """Return the hash of the node at `depth` over one item: its path between empty places, which is most of a tree.

    `_empty` and `node_hash` are inlined, because a day of millions of items spends its time here.
    """
    place, reached = item
    begun, sha256 = hashlib.blake2b(key=key, digest_size=HASH_BYTES), hashlib.sha256
    for level in range(DEPTH, depth, -1):
        empty = begun.copy()
        empty.update(_EMPTY_AT[level] + (place ^ 1).to_bytes(DEPTH // 8, "big"))
        beside = empty.digest()
        reached = sha256(b"\x01" + beside + reached if place & 1 else b"\x01" + reached + beside).digest()
        place >>= 1
    return reached


_EMPTY_AT: Final = [b"empty" + bytes([depth]) for depth in range(DEPTH + 1)]


def _empty(key: bytes, depth: int, number: int) -> bytes:
    """Return the hash of a subtree without items, which looks like any other without the day's key."""
    secret = _EMPTY_AT[depth] + number.to_bytes(DEPTH // 8, "big")
    return hashlib.blake2b(secret, key=key, digest_size=HASH_BYTES).digest()
