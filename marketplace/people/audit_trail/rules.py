"""The chain of hashes, as pure mathematics: a line's hash, and whether a file of lines is whole and unchanged.

Each line of an exported file is a JSON object. Its `hash` is the SHA-256, in hex, of the line without `hash`, written
with its keys sorted, without blanks, in UTF-8; `previous`, the hash of the line before, is part of what is hashed, so
no line can be changed, added, removed or moved without changing all that follow. The first line's `previous` is 64
zeros. The file's last line has the number of lines and the last hash, signed by the operator. A file without it was cut
short.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.core.signing import verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FIRST: Final = "0" * 64
"""The `previous` of the first line."""


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return a JSON object as it is hashed and signed: keys sorted, no blanks, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hash_of(line: Mapping[str, Any]) -> str:
    """Return the hash of a line, which has `previous`; its own `hash` is not part of it."""
    return hashlib.sha256(canonical({name: value for name, value in line.items() if name != "hash"})).hexdigest()


class Verdict(Struct, frozen=True):
    """The result of checking a file: how many lines fit, the last one's hash, and what is wrong, '' if nothing is."""

    lines: int
    head: str
    fault: str
    key: str = ""
    """The public key, hex, under which the file's end is signed."""


def check(lines: Iterable[str]) -> Verdict:
    """Check a file from its first line to its signed end, and name the first line that does not fit."""
    number, head, rest = 0, FIRST, iter(lines)
    for place, text in enumerate(rest, 1):
        if (line := _read(text)) is None:
            return Verdict(number, head, f"Line {place} is not a JSON object.")
        if "signature" in line:
            fault = _fault_of_end(line, number, head)
            if not fault and any(text.strip() for text in rest):
                fault = "Something follows the end."
            return Verdict(number, head, fault, str(line.get("key", "")))
        if line.get("number") != number + 1:
            return Verdict(number, head, f"Line {place} has the number {line.get('number')}, not {number + 1}.")
        if line.get("previous") != head or line.get("hash") != hash_of(line):
            return Verdict(number, head, f"Line {place} does not follow from those before it, or was changed.")
        number, head = number + 1, line["hash"]
    return Verdict(number, head, "The end is missing: the file was cut short.")


def _read(text: str) -> dict[str, Any] | None:
    """Return a line's object; None if it is not JSON, names something twice, or is not valid UTF-8."""
    try:
        line = json.loads(text, object_pairs_hook=_once_each)
        canonical(line)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; refuse two values of one name: a reader sees one, and the hash may be of the other."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is there twice")
    return document


def _fault_of_end(end: dict[str, Any], number: int, head: str) -> str:
    """Return what is wrong with a file's last line, '' if nothing is."""
    if end.get("lines") != number or end.get("head") != head:
        return f"The end speaks of {end.get('lines')} lines, and {number} are here."
    stated = {name: value for name, value in end.items() if name != "signature"}
    try:
        signature, key = bytes.fromhex(end["signature"]), bytes.fromhex(end["key"])
    except (ValueError, TypeError, KeyError):
        return "The end is not signed as it should be."
    return "" if verify(canonical(stated), signature, key) else "The signature of the end is not the operator's."
