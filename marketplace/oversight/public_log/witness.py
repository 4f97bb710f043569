"""A witness: a second machine that remembers the largest head it saw, and cosigns only heads that contain it.

It needs no database. Its folder has its key and the last head, saved before each answer. A head that does not contain
the last one is saved next to it, as evidence.

Source: C2SP tlog-witness (statuses), tlog-cosignature (what is signed).
"""

from __future__ import annotations

import base64
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.core.signing import public_key, sign
from pricing.log.notes import (
    COSIGNATURE,
    Checkpoint,
    Signature,
    VerifierKey,
    cosigned_message,
    is_signed,
    read_checkpoint,
)
from pricing.log.tiles import Tiles
from pricing.merkle import verify_consistency
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pricing.log.tiles import Read

MOST_BYTES = 100_000
MOST_PROOF_LINES = 63
TEXT, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"


class CosignedHead(Struct, frozen=True):
    """The largest head that a witness cosigned: its size, its root in hex, and the note with the cosignature."""

    size: int = 0
    root: str = ""
    note: str = ""


class Reply(Struct, frozen=True):
    """An HTTP answer: its status, text and type."""

    status: int
    text: str
    kind: str = TEXT


class Witness:
    """A witness of one log, in one folder, by one process at a time."""

    def __init__(
        self, folder: Path, name: str, log_key: VerifierKey, *, read_time: Callable[[], float] = time.time
    ) -> None:
        """Open the folder, and make a missing key. log_key: the log's, in published form."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._log_key, self._read_time = folder, log_key, read_time
        self._cosigning = threading.Lock()
        """One caller at a time: the last head is compared and replaced in one step."""
        self._signing_key = _own_key(folder / "witness.key")
        self.key = VerifierKey(name, COSIGNATURE, public_key(self._signing_key))
        saved = folder / "seen.json"
        self.seen = msgspec.json.decode(saved.read_bytes(), type=CosignedHead) if saved.exists() else CosignedHead()

    def add_checkpoint(self, body: str) -> Reply:
        """Answer a log that submits a head and the proof that it contains the last head of this witness."""
        try:
            known, proof, head = _read_request(body)
        except (ValueError, PricingRefusal):
            return Reply(400, "this is not a request to add a checkpoint\n")
        if refused := self._refused(head, known):
            return refused
        with self._cosigning:
            return self._answer(known, proof, head)

    def _answer(self, known: int, proof: list[bytes], head: Checkpoint) -> Reply:
        if known != self.seen.size or (known == head.size and head.root.hex() != self.seen.root):
            if known == self.seen.size:
                self._save_evidence(head)
            return Reply(409, f"{self.seen.size}\n", SIZE)
        if known < head.size and not self._contains(known, head, proof):
            self._save_evidence(head)
            return Reply(422, "the head does not contain the one seen before\n")
        return Reply(200, self._cosign(head))

    def look(self, read: Read) -> str:
        """Read the log's files, and cosign its head if it contains the last one; return the result in words.

        read: reads a file of the log by its path; blocks. Refuses Invalid if the log has another history.
        """
        note = read("checkpoint")
        if note is None:
            return "The log has no head yet."
        head = read_checkpoint(note.decode())
        if refused := self._refused(head):
            raise Invalid("The log's head is not its own: {why}", why=refused.text.strip())
        seen = self.seen
        if head.size < seen.size:
            return f"The log shows {head.size} entries, and {seen.size} were seen: an old head."
        tiles = Tiles(read, head.size)
        is_one = tiles.root() == head.root
        if seen.size:
            is_one = is_one and tiles.hash_of(0, seen.size).hex() == seen.root
        if not is_one:
            self._save_evidence(head)
            raise Invalid(
                "Two histories: the head of {size} entries does not contain the one of {seen} that was seen before.",
                size=head.size,
                seen=seen.size,
            )
        with self._cosigning:
            if (self.seen.size, self.seen.root) != (seen.size, seen.root):  # the log has submitted another one
                return f"The log submitted the head of {self.seen.size} entries meanwhile."
            self._cosign(head)
        return f"Cosigned the head of {head.size} entries."

    def _refused(self, head: Checkpoint, known: int = 0) -> Reply | None:
        if head.origin != self._log_key.name:
            return Reply(404, "this log is not known here\n")
        if not is_signed(head, self._log_key):
            return Reply(403, "the log's key did not sign this\n")
        return Reply(400, "the old size is above the head's\n") if known > head.size else None

    def _contains(self, known: int, head: Checkpoint, proof: list[bytes]) -> bool:
        if not known:
            return not proof
        return verify_consistency(known, head.size, proof, bytes.fromhex(self.seen.root), head.root)

    def _cosign(self, head: Checkpoint) -> str:
        at = int(self._read_time())
        signature = at.to_bytes(8, "big") + sign(cosigned_message(head.text, at), self._signing_key)
        line = Signature(self.key.name, self.key.key_id, signature).line()
        log_line = next(one.line() for one in head.signatures if one.key_id == self._log_key.key_id)
        seen = CosignedHead(head.size, head.root.hex(), f"{head.text}\n{log_line}{line}")
        _write(self._folder / "seen.json", msgspec.json.encode(seen))
        self.seen = seen
        return line

    def _save_evidence(self, head: Checkpoint) -> None:
        """Save a signed head that contradicts the last one: both together prove two histories."""
        _write(self._folder / f"other-{head.size}-{head.root.hex()[:16]}.txt", head.note().encode())

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        """Answer as an ASGI application: `POST /add-checkpoint`, and `GET /checkpoint` for the last cosigned head."""
        if scope["type"] != "http":
            return
        asked = (scope["method"], scope["path"])
        answer = Reply(404, "there is nothing here\n")
        if asked == ("POST", "/add-checkpoint"):
            body = await _body(receive)
            answer = Reply(413, "too long\n") if body is None else self.add_checkpoint(body.decode(errors="replace"))
        elif asked == ("GET", "/checkpoint") and self.seen.size:
            answer = Reply(200, self.seen.note)
        headers = [(b"content-type", answer.kind.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.text.encode()})


def _read_request(body: str) -> tuple[int, list[bytes], Checkpoint]:
    """Return the old size, the proof and the head in a request; refuses ValueError, and Tampered."""
    request, _, note = body.partition("\n\n")
    old, *lines = request.split("\n")
    known = int(old.removeprefix("old "))
    if old != f"old {known}" or known < 0 or len(lines) > MOST_PROOF_LINES:
        msg = "no old size, or too long a proof"
        raise ValueError(msg)
    return known, [base64.b64decode(line, validate=True) for line in lines], read_checkpoint(note)


async def _body(receive: Callable[[], Any]) -> bytes | None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > MOST_BYTES:
            return None
    return body


def _own_key(path: Path) -> str:
    """Return the key in a file that only its owner can read; make a missing one."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text().strip()


def _write(path: Path, data: bytes) -> None:
    """Write a whole file in one step that survives a power cut."""
    draft = path.with_suffix(".part")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
