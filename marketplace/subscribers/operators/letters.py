"""Letters: a file of activation codes for a mail merge, the only copy of each code.

The database has only hashes, so a code outside a file would be lost. The complete file is on disk, under its name with
`.part`, before the hashes are committed, and is renamed after. Killed before the commit, no line has a new code and the
same command starts again; killed after it, the same command finds the complete file and renames it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity.actions import issue_activation_codes
from marketplace.people.sign_in.way_back import write_ways_back
from marketplace.subscribers.operators.queries import list_lines_without_code
from marketplace.subscribers.operators.tables import LetterRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

HEADING: Final = b"reference,code\n"
LINES_AT_ONCE: Final = 20_000


class Letters(Struct, frozen=True):
    """How many codes a file has, and whether an interrupted run had written it."""

    codes: int
    was_finished: bool


async def write_letters(
    out: Path, lines: Sequence[int] = (), *, again: bool = False, to_holders: bool = False
) -> Letters:
    """Write a fresh activation code for each line in force that has no code and no holder, and return how many.

    lines: write codes for these instead, even if they have one; their earlier codes stop working. again: lines with
    unused codes get new ones too. to_holders: the lines are claimed, and the code lets their holders sign in again.
    Refuses a file that exists, an unknown line, a claimed line without `to_holders`, and an unclaimed one with it. If
    no line needs a code, no file is written.
    """
    part = out.with_name(f"{out.name}.part")
    if await asyncio.to_thread(out.exists) and not await asyncio.to_thread(_is_same, part, out):
        raise Conflict("{file} is there already: name another file, since a code is written once.", file=out)
    async with transaction():
        await lock("letters")
        finished = await _codes_in(part)
        if not finished:
            batches = _these(lines, to_holders=to_holders) if lines else _all(again=again)
            codes, sha256 = await _write(part, batches)
            if codes:
                run = LetterRun(id=uuid.uuid4(), at=clock.now(), codes=codes, sha256=sha256)
                await LetterRun.insert(run)
                await note_access(None, "activation_codes_made", run.id, codes=codes)
    if finished or codes:
        await asyncio.to_thread(_give_name, part, out)
    return Letters(finished or codes, bool(finished))


async def _codes_in(part: Path) -> int:
    """Return how many codes an interrupted run had written and recorded in this file.

    Otherwise delete the file and return 0.
    """
    try:
        sha256 = hashlib.sha256(await asyncio.to_thread(part.read_bytes)).hexdigest()
    except FileNotFoundError:
        return 0
    codes = await fetch_scalar(int, LetterRun.select(LetterRun.codes).where(LetterRun.sha256 == sha256))
    if codes is None:
        _remove(part)
    return codes or 0


async def _all(*, again: bool) -> AsyncIterator[list[tuple[int, str]]]:
    after = -1
    while batch := await list_lines_without_code(after, LINES_AT_ONCE, again=again):
        yield await issue_activation_codes(batch)
        after = batch[-1]


async def _these(lines: Sequence[int], *, to_holders: bool) -> AsyncIterator[list[tuple[int, str]]]:
    issued = await (write_ways_back if to_holders else issue_activation_codes)(sorted(set(lines)))
    if to_holders and (unclaimed := sorted(set(lines) - {line for line, _ in issued})):
        raise NotFound("Nobody holds the line {line}: write its first letter with --line.", line=unclaimed[0])
    if lacking := sorted(set(lines) - {line for line, _ in issued}):
        raise NotFound(
            "The line {line} is not known here, or is claimed already: --holder lets its holder back in.",
            line=lacking[0],
        )
    yield issued


async def _write(part: Path, batches: AsyncIterator[list[tuple[int, str]]]) -> tuple[int, str]:
    """Write a new file that only its owner can read, and return how many codes it has and its SHA-256.

    Without codes, write no file.
    """
    written, digest = 0, hashlib.sha256(HEADING)
    try:
        file = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise Invalid("{file} cannot be written: {why}.", file=part, why=error.strerror) from None
    try:
        _append(file, HEADING)
        async for batch in batches:
            rows = "".join(f"{line},{code}\n" for line, code in sorted(batch)).encode()
            await asyncio.to_thread(_append, file, rows)
            digest.update(rows)
            written += len(batch)
        await asyncio.to_thread(os.fsync, file)
        await asyncio.to_thread(_sync_folder, part)
    except BaseException:
        _remove(part)
        raise
    finally:
        os.close(file)
    if not written:
        _remove(part)
    return written, digest.hexdigest()


def _append(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)


def _give_name(part: Path, out: Path) -> None:
    """Rename the file, unless another file has the name by now, and remove its temporary name."""
    try:
        os.link(part, out)
    except FileExistsError:
        if not _is_same(part, out):
            raise Conflict(
                "{file} was made in the meantime; the codes are in {part}, which you can rename.", file=out, part=part
            ) from None
    _remove(part)
    _sync_folder(out)


def _is_same(part: Path, out: Path) -> bool:
    """Return whether a run was killed when the file had both its final and its temporary name."""
    return part.exists() and out.exists() and part.samefile(out)


def _sync_folder(file: Path) -> None:
    """Make a file's name durable, where folders can be synced."""
    with contextlib.suppress(OSError):
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
