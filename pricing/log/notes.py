"""Signed notes: a log's checkpoint, its signers, and the witnesses that saw that it only grew.

The rule this file keeps: a signature counts only under a key that the reader supplied, by name and id. All others are
ignored; a wrong one under a known key invalidates the whole note.

Source: C2SP signed-note (note, key ids, verifier keys), tlog-checkpoint (the text), tlog-cosignature (version 1).
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pricing.ed25519 import verifies
from pricing.refusals import PricingRefusal, Tampered

NOTE: Final = 1
"""The type of a key whose signature is over the note's text."""
COSIGNATURE: Final = 4
"""The type of a witness's key: its signature is over an instant and the text."""
_ID_BYTES, _KEY_BYTES, _TIME_BYTES, _HASH_BYTES = 4, 32, 8, 32
_MOST_BYTES: Final = 100_000
_DASH: Final = "— "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key that verifies: its name, its type (`NOTE` or `COSIGNATURE`) and its 32 bytes."""

    name: str
    kind: int
    key: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of signatures under it."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Return its published form: name, id and key, with + between."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.key).decode()}"


def read_key(text: str) -> VerifierKey:
    """Return the key in this text; refuses Tampered for another text or type, or a wrong id."""
    try:
        name, key_id, encoded = text.strip().split("+", 2)
        data = base64.b64decode(encoded, validate=True)
        key = VerifierKey(name, data[0], data[1:])
        known = key.kind in {NOTE, COSIGNATURE} and len(key.key) == _KEY_BYTES and _is_name(name)
        if not known or key.key_id.hex() != key_id:
            msg = "this key is of a kind that is not known here, or its id is not its own"
            raise Tampered(msg)
    except (ValueError, IndexError) as problem:
        if isinstance(problem, PricingRefusal):
            raise
        msg = "this is not a key: it is written as name+id+base64"
        raise Tampered(msg) from problem
    return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One line of a note: the signer's name and id, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return its line of the note, with the newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's head: its number of entries and the root over them, and the note's text and signatures."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[Signature, ...]

    def note(self) -> str:
        """Return the whole note."""
        return f"{self.text}\n{''.join(one.line() for one in self.signatures)}"


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Return the text that a log signs: its origin, its size and its root, a line each."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def cosigned_message(text: str, at: int) -> bytes:
    """Return what a witness signs: that at this instant, in Unix seconds, this was the largest head it had seen."""
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def read_checkpoint(note: str) -> Checkpoint:
    """Return the checkpoint in this note, its signatures unchecked; refuses Tampered for any other text."""
    text, found, lines = note.rpartition("\n\n")
    text += "\n"
    try:
        if not found or len(note) > _MOST_BYTES or not lines.endswith("\n") or _has_control_signs(note):
            msg = "this is not a signed note"
            raise Tampered(msg)
        origin, size, root, *_ = text.splitlines()
        if not origin or str(int(size)) != size or int(size) < 0:
            msg = "the note's text is no head of a log"
            raise Tampered(msg)
        head = base64.b64decode(root, validate=True)
        if len(head) != _HASH_BYTES:
            msg = "a root has 32 bytes"
            raise Tampered(msg)
        return Checkpoint(origin, int(size), head, text, read_signatures(lines))
    except ValueError as problem:
        if isinstance(problem, PricingRefusal):
            raise
        msg = "this is not a checkpoint"
        raise Tampered(msg) from problem


def read_signatures(lines: str) -> tuple[Signature, ...]:
    """Return the signatures in these lines, unchecked; refuses Tampered for any other line."""
    return tuple(_read_signature(line) for line in lines.removesuffix("\n").split("\n"))


def _read_signature(line: str) -> Signature:
    try:
        name, encoded = line.removeprefix(_DASH).split(" ")
        data = base64.b64decode(encoded, validate=True)
    except ValueError as problem:
        msg = "a line of the note is no signature"
        raise Tampered(msg) from problem
    if not line.startswith(_DASH) or not _is_name(name) or len(data) <= _ID_BYTES:
        msg = "a line of the note is no signature"
        raise Tampered(msg)
    return Signature(name, data[:_ID_BYTES], data[_ID_BYTES:])


def is_signed(checkpoint: Checkpoint, key: VerifierKey) -> bool:
    """Return whether the log's `key` signed the checkpoint, and all its signatures under that key are right."""
    under = _under(checkpoint.signatures, key)
    return bool(under) and all(verifies(checkpoint.text.encode(), one.signature, key.key) for one in under)


def cosigned_at(checkpoint: Checkpoint, witness: VerifierKey) -> int | None:
    """Return when a witness cosigned the checkpoint, in Unix seconds; None without a right signature."""
    for one in _under(checkpoint.signatures, witness):
        at = int.from_bytes(one.signature[:_TIME_BYTES], "big")
        if verifies(cosigned_message(checkpoint.text, at), one.signature[_TIME_BYTES:], witness.key):
            return at
    return None


def _under(signatures: Sequence[Signature], key: VerifierKey) -> list[Signature]:
    return [one for one in signatures if (one.name, one.key_id) == (key.name, key.key_id)]


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(sign.isspace() for sign in name)


def _has_control_signs(note: str) -> bool:
    return any(sign < " " and sign != "\n" for sign in note)
