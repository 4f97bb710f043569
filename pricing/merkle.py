"""Merkle trees: a root over leaves in order, a path that shows a leaf under it, and a proof that a tree only grew.

The rule this file keeps: a proof is computed from hashes of ranges of leaves, so the leaves themselves and the tiles of
a published log give the same one. It is verified from its own content alone.

Public API not used by the marketplace: `inclusion_proof`, `consistency_proof`.

Source: RFC 9162, Certificate Transparency 2.0, sections 2.1.1 (tree), 2.1.3 (inclusion) and 2.1.4 (consistency); RFC 6962
has the same tree.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from pricing.refusals import Empty, OutOfRange

HashOf: TypeAlias = Callable[[int, int], bytes]
"""The 32-byte hash over the leaves from a number up to, not including, another one; never over an empty range."""


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte root over these leaves (RFC 9162, 2.1.1); of no leaves, SHA-256 of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    return _hash_of(leaves)(0, len(leaves))


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two others, 32 bytes each."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def left_size(size: int) -> int:
    """Return how many of `size` >= 2 leaves are under the root's left child: the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def subtree(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over one or more hashes of leaves."""
    if len(hashes) == 1:
        return hashes[0]
    middle = left_size(len(hashes))
    return node_hash(subtree(hashes[:middle]), subtree(hashes[middle:]))


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the path that shows leaf `index` is under the root of all `leaves` (2.1.3.1); refuses OutOfRange."""
    return inclusion_path(_hash_of(leaves), index, len(leaves))


def inclusion_path(hash_of: HashOf, index: int, size: int) -> tuple[bytes, ...]:
    """Return the path that shows leaf `index` is under the root of the first `size` leaves; refuses OutOfRange."""
    if not 0 <= index < size:
        msg = f"there is no leaf {index} among {size}"
        raise OutOfRange(msg)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + left_size(end - start)
        if index < middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(start, middle))
            start = middle
    return tuple(reversed(path))


def root_and_paths(leaves: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """Return the root over one or more leaves with every leaf's path to it, hashing each node once; refuses Empty."""
    if not leaves:
        msg = "there are no leaves to show under a root"
        raise Empty(msg)
    return _with_paths([leaf_hash(leaf) for leaf in leaves])


def _with_paths(hashes: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    if len(hashes) == 1:
        return hashes[0], [[]]
    middle = left_size(len(hashes))
    left, left_paths = _with_paths(hashes[:middle])
    right, right_paths = _with_paths(hashes[middle:])
    for path in left_paths:
        path.append(right)
    for path in right_paths:
        path.append(left)
    return node_hash(left, right), left_paths + right_paths


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether `proof` shows that `leaf` is number `index` of the `size` leaves under `root` (2.1.3.2)."""
    return root_from(leaf, index, size, proof) == root


def root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root under which `path` shows `leaf` to be number `index` of `size`, or None (2.1.3.2)."""
    if not 0 <= index < size:
        return None
    at, last, reached = index, size - 1, leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            reached = node_hash(sibling, reached)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        at, last = at >> 1, last >> 1
    return reached if last == 0 else None


def consistency_proof(leaves: Sequence[bytes], earlier: int) -> tuple[bytes, ...]:
    """Return the proof that the first `earlier` leaves, in [1, n], are unchanged in the tree of all (2.1.4.1).

    Refuses OutOfRange.
    """
    return consistency_path(_hash_of(leaves), earlier, len(leaves))


def consistency_path(hash_of: HashOf, earlier: int, later: int) -> tuple[bytes, ...]:
    """Return the proof that the first `earlier` of `later` leaves, in [1, later], are unchanged; refuses OutOfRange."""
    if not 1 <= earlier <= later:
        msg = f"an earlier tree has between 1 and {later} leaves, not {earlier}"
        raise OutOfRange(msg)
    path: list[bytes] = []
    start, end, whole_is_known = 0, later, True
    while earlier != end:
        middle = start + left_size(end - start)
        if earlier <= middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(start, middle))
            start, whole_is_known = middle, False
    if not whole_is_known:
        path.append(hash_of(start, end))
    return tuple(reversed(path))


def verify_consistency(earlier: int, later: int, proof: Sequence[bytes], old: bytes, new: bytes) -> bool:
    """Return whether `proof` shows that the tree `new` of `later` leaves extends `old` of `earlier` (2.1.4.2)."""
    if not 1 <= earlier <= later:
        return False
    if earlier == later:
        return not proof and old == new
    path = list(proof) if earlier & (earlier - 1) else [old, *proof]
    if not path:
        return False
    at, last = earlier - 1, later - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old and second == new


def _hash_of(leaves: Sequence[bytes]) -> HashOf:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    return lambda start, end: subtree(hashes[start:end])
