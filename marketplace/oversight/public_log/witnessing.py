"""Ask witnesses to cosign a head: each gets the head and the proof that the log only grew since its last one.

Source: C2SP tlog-witness (`add-checkpoint`: the request, and what 200 and 409 mean).
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import structlog

from marketplace.core.errors import Unavailable, existing
from marketplace.oversight.public_log.files import reader
from pricing.log.notes import Checkpoint, cosigned_at, read_checkpoint, read_signatures
from pricing.log.tiles import Tiles
from pricing.merkle import consistency_path
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from pricing.log.notes import VerifierKey

log = structlog.get_logger(__name__)
SIZE = "text/x.tlog.size"
TIMEOUT_SECONDS = 10
OK, CONFLICT = 200, 409


async def collect_cosignatures(
    origin: str, head: Checkpoint, witnesses: Sequence[tuple[VerifierKey, str]]
) -> tuple[list[str], bool]:
    """Return the new lines of witnesses that cosign a head, and whether a witness refuses it.

    A witness that does not answer is asked again later.
    """
    import httpx  # noqa: PLC0415 (start-up time)

    missing = [(key, address) for key, address in witnesses if cosigned_at(head, key) is None]
    lines: list[str] = []
    if not missing:
        return lines, False
    is_refused = False
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        for key, address in missing:
            try:
                line = await _cosigned(client, origin, head, key, address)
            except httpx.HTTPError as error:
                log.warning("a witness does not answer", witness=key.name, why=str(error))
                continue
            lines += line or []
            is_refused = is_refused or line is None
    return lines, is_refused


async def list_seen(witnesses: Sequence[tuple[VerifierKey, str]]) -> list[tuple[str, Checkpoint]]:
    """Return the last heads that witnesses show, with their names, signatures unchecked; not all show one."""
    import httpx  # noqa: PLC0415 (start-up time)

    seen = []
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        for key, address in witnesses:
            try:
                answer = await client.get(f"{address}/checkpoint")
                if answer.status_code == OK:
                    seen.append((key.name, read_checkpoint(answer.text)))
            except (httpx.HTTPError, PricingRefusal) as problem:
                log.warning("a witness shows no head", witness=key.name, why=str(problem))
    return seen


async def _cosigned(
    client: httpx.AsyncClient, origin: str, head: Checkpoint, key: VerifierKey, address: str
) -> list[str] | None:
    """Return the lines of one witness; None if it refuses the head."""
    answer = await _submit(client, address, 0, (), head)
    if answer.status_code == CONFLICT and (known := _size_in(answer)) is not None and 0 < known <= head.size:
        tiles = Tiles(reader(origin), head.size)
        proof = await asyncio.to_thread(consistency_path, tiles.hash_of, known, head.size)
        answer = await _submit(client, address, known, proof, head)
    if answer.status_code != OK:
        log.error("a witness does not cosign", witness=key.name, status=answer.status_code, answer=answer.text[:200])
        return None
    try:
        checked = Checkpoint(head.origin, head.size, head.root, head.text, read_signatures(answer.text))
    except PricingRefusal as problem:
        log.warning("a witness answers something else", witness=key.name, why=str(problem))
        return []
    if cosigned_at(checked, key) is None:
        log.warning("a witness signs with another key", witness=key.name)
        return []
    return [one.line() for one in checked.signatures if (one.name, one.key_id) == (key.name, key.key_id)]


async def ask_size(key: VerifierKey, address: str, note: str) -> int:
    """Return how many entries a witness cosigned last; refuses Unavailable if it does not answer that.

    note: a signed head of ours, which it may cosign on this occasion.
    """
    import httpx  # noqa: PLC0415 (start-up time)

    head = read_checkpoint(note)
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            answer = await _submit(client, address, head.size, (), head)
    except httpx.HTTPError as error:
        raise Unavailable(
            "The witness {witness} does not answer: the log waits for it.", witness=key.name, cause=str(error)
        ) from error
    return existing(
        head.size if answer.status_code == OK else _size_in(answer),
        Unavailable(
            "The witness {witness} does not say what it cosigned: the log waits for it.",
            witness=key.name,
            cause=f"HTTP {answer.status_code}",
        ),
    )


def _size_in(answer: httpx.Response) -> int | None:
    text = answer.text.strip()
    is_size = answer.headers.get("content-type", "").startswith(SIZE)
    return int(text) if is_size and text.isascii() and text.isdecimal() else None


async def _submit(
    client: httpx.AsyncClient, address: str, old: int, proof: Sequence[bytes], head: Checkpoint
) -> httpx.Response:
    lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof)]
    body = "\n".join(lines) + "\n\n" + head.note()
    return await client.post(f"{address}/add-checkpoint", content=body.encode())
