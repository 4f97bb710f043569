"""Letters: a file of activation codes for a mail merge, each code written once and kept nowhere else.

Only hashes are in the database, so a code that is in no file would be lost. The file is complete on disk, under its name
with `.part`, before the hashes are committed, and gets its name after: killed before the commit, no line has a new code
and the same command starts anew; killed after it, the same command finds the complete file and gives it its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_scalar, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.identity.actions import issue_activation_codes
from marketplace.locks import lock
from marketplace.operators.queries import list_lines_without_code
from marketplace.operators.tables import LetterRun
from marketplace.recovery.way_back import write_ways_back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

HEADING: Final = b"reference,code\n"
LINES_AT_ONCE: Final = 20_000


class Letters(Struct, frozen=True):
    """How many codes a file has, and whether a run that was stopped had written it."""

    codes: int
    was_finished: bool


async def write_letters(
    out: Path, lines: Sequence[int] = (), *, again: bool = False, to_holders: bool = False
) -> Letters:
    """Write a fresh activation code for each line in force that has none and that nobody claimed, and return how many.

    lines: write those instead, whether they have a code or not; their earlier codes stop working. again: the lines whose
    codes nobody used get new ones too. to_holders: the lines are claimed, and their holders get back in with the code. Refused: a
    file that is there already, and a line that is unknown, or claimed where it must not be, or not where it must.
    Where no line needs a code no file is written.
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
    """Return how many codes a stopped run had written and recorded in this file; 0, with the file deleted, if it had not."""
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
    """Write a new file that its owner alone can read, and return how many codes it has and its SHA-256; none, no file."""
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
    """Give the file its name, unless that is another file's by now, and leave it no other."""
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
    """Return whether a run was killed when the file had its name already, and the former one too."""
    return part.exists() and out.exists() and part.samefile(out)


def _sync_folder(file: Path) -> None:
    """Make a file's name last, where folders can be synced."""
    with contextlib.suppress(OSError):
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
