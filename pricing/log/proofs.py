"""Proofs: one text file that shows that an entry, or a day's hidden item, is in the log; checked without the log.

The rule this file keeps: the format is the public one. Our own fields are in its `extra`, as JSON: the entry's bytes
and, for an item of a day's tree, its name, its document, its salt and the hashes of its path.

Source: C2SP tlog-proof (the file), RFC 8785 (canonical JSON of `extra`).
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import rfc8785

from pricing.log.days import item_leaf, place_of, root_from
from pricing.log.notes import Checkpoint, read_checkpoint
from pricing.merkle import verify_inclusion
from pricing.refusals import PricingRefusal, Tampered

HEADING: Final = "c2sp.org/tlog-proof@v1"
_MOST_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a day's tree: its name, its document, its salt, and the 40 hashes of its path to the root."""

    source: str
    document: bytes
    salt: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry, its number, the hashes of its path to the checkpoint's root, and its hidden item, if any."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    entry: bytes
    item: Item | None = None

    def content(self) -> dict[str, Any]:
        """Return the entry's content; refuses Tampered if it is no JSON object of ours."""
        return read_entry(self.entry)


def read_entry(entry: bytes) -> dict[str, Any]:
    """Return an entry's content: its `kind`, and its `subject` and `statement`, or its `day`, `root` and `previous`.

    Refuses Tampered.
    """
    try:
        content = json.loads(entry)
    except ValueError as problem:
        msg = "an entry of the log is no JSON"
        raise Tampered(msg) from problem
    if not isinstance(content, dict) or not (_is_said(content, _FACT) or _is_said(content, _DAY)):
        msg = "an entry of the log is no statement"
        raise Tampered(msg)
    return content


_FACT: Final[Mapping[str, type]] = MappingProxyType({"kind": str, "subject": str, "statement": dict})
_DAY: Final[Mapping[str, type]] = MappingProxyType({"kind": str, "day": str, "root": str, "previous": str})


def _is_said(content: Mapping[str, Any], parts: Mapping[str, type]) -> bool:
    return all(isinstance(content.get(name), wanted) for name, wanted in parts.items())


def write_proof(proof: Proof) -> str:
    """Return a proof in its file's form."""
    extra: dict[str, Any] = {"entry": _encoded(proof.entry)}
    if proof.item is not None:
        extra |= {
            "source": proof.item.source,
            "document": _encoded(proof.item.document),
            "salt": _encoded(proof.item.salt),
            "path": [_encoded(one) for one in proof.item.path],
        }
    lines = [HEADING, f"extra {_encoded(rfc8785.dumps(extra))}", f"index {proof.index}", *map(_encoded, proof.path)]
    return "\n".join(lines) + "\n\n" + proof.checkpoint.note()


def read_proof(text: str) -> Proof:
    """Return the proof in this text, unchecked; refuses Tampered for any other text."""
    head, found, note = text.partition("\n\n")
    try:
        heading, extra, index, *path = head.split("\n")
        known = heading == HEADING and extra.startswith("extra ") and index.startswith("index ")
        if not found or not known or len(text) > _MOST_BYTES:
            msg = "this is not a proof of the log"
            raise Tampered(msg)
        stated = json.loads(_decoded(extra.removeprefix("extra ")))
        number = int(index.removeprefix("index "))
        return Proof(number, _hashes(path), read_checkpoint(note), _decoded(stated["entry"]), _read_item(stated))
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        if isinstance(problem, PricingRefusal):
            raise
        msg = "this is not a proof of the log"
        raise Tampered(msg) from problem


def _read_item(stated: dict[str, Any]) -> Item | None:
    if "document" not in stated:
        return None
    return Item(str(stated["source"]), _decoded(stated["document"]), _decoded(stated["salt"]), _hashes(stated["path"]))


def faults_of(proof: Proof, digest: bytes) -> list[str]:
    """Return a proof's faults, without checking its checkpoint's signatures. digest: SHA-256 of any item's document."""
    if not verify_inclusion(proof.entry, proof.index, proof.checkpoint.size, proof.path, proof.checkpoint.root):
        return [f"entry {proof.index} is not in the log of {proof.checkpoint.size} entries that the checkpoint is of"]
    content, item = proof.content(), proof.item
    if item is None:
        return []
    place = place_of(content["kind"], item.source)
    if root_from(place, item_leaf(item.salt, digest), item.path).hex() != content.get("root"):
        return [f"{item.source} is not among the {content['kind']} of {content.get('day')}: it was left out or changed"]
    return []


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(_decoded(line) for line in lines)
