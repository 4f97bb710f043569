"""Notes outside the database: sealed, on a disk before they count, copied once their place answers, and deleted with time."""

import asyncio
import datetime as dt
import os
from pathlib import Path

import pytest

from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict
from marketplace.core.notes import place
from marketplace.core.notes.actions import delete_old_notes, note_now, note_waiting, read_notes, state_note
from marketplace.core.settings import settings
from tests.support.reads import fetch_value

LINE = 33_612_345_678


def note_in(address: str) -> None:
    os.environ["PARTAGE_NOTES"] = address
    settings.cache_clear()


async def note_kind(subscriber: int = LINE) -> None:
    async with transaction():
        await state_note("line_kind", {"subscriber": subscriber, "kind": "child"})


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def test_a_reader_of_the_place_learns_nothing(tmp_path: Path) -> None:
    note_in(str(tmp_path / "notes"))
    began = clock.now()
    await note_kind()
    await note_kind(1)
    one, two = files(tmp_path / "notes")
    assert str(LINE).encode() not in one.read_bytes()
    assert b"child" not in one.read_bytes()
    assert one.stat().st_size == two.stat().st_size, "not even by its length"
    assert [one.content for one in await read_notes(began)] == [
        f'{{"kind": "child", "subscriber": {who}}}' for who in (LINE, 1)
    ]
    one.rename(two)
    with pytest.raises(Conflict, match="PARTAGE_IDENTITY_KEYS does not open"):
        await read_notes(began)


async def test_notes_of_many_at_once_are_one_object_and_none_is_acknowledged_before_it(tmp_path: Path) -> None:
    note_in(str(tmp_path / "notes"))
    noted = []

    async def note_and_read(line: int) -> None:
        await note_kind(line)
        noted.append((line, [one.content for one in await read_notes(clock.now())]))

    await asyncio.gather(*(note_and_read(line) for line in range(40)))
    assert len(noted) == 40
    assert all(any(f'"subscriber": {line}}}' in content for content in contents) for line, contents in noted)
    assert len(files(tmp_path / "notes")) < 20


async def test_a_note_is_on_this_disk_while_its_place_is_silent_and_copied_afterwards(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file where the folder should be")
    note_in(str(tmp_path / "notes"))
    began = clock.now()
    await note_kind()
    (waiting,) = place.list_waiting()
    assert str(LINE).encode() not in waiting.read_bytes()
    with pytest.raises(Conflict, match="PARTAGE_NOTES cannot be read or written"):
        await note_waiting()
    (tmp_path / "notes").unlink()
    assert await note_waiting() == 1
    assert place.list_waiting() == []
    assert len(files(tmp_path / "notes")) == 1
    assert len(await read_notes(began)) == 1


async def test_notes_that_every_backup_has_are_deleted(tmp_path: Path) -> None:
    note_in(str(tmp_path / "notes"))
    await note_kind()
    assert await delete_old_notes() == 0
    old = clock.now() - dt.timedelta(days=settings().backup_days + 2)
    (fresh,) = files(tmp_path / "notes")
    past = tmp_path / "notes" / f"{old:words/%Y-%m-%d/%H%M%S%f}-0"
    past.parent.mkdir()
    past.write_bytes(fresh.read_bytes())
    (tmp_path / "notes" / "erasures").mkdir()
    (tmp_path / "notes" / "erasures" / "somebody.json").write_text("stays")
    assert await delete_old_notes() == 1
    assert [path.name for path in files(tmp_path / "notes")] == ["somebody.json", fresh.name]


async def test_what_is_not_awaited_is_left_to_the_job(tmp_path: Path) -> None:
    note_in(str(tmp_path / "notes"))
    async with transaction():
        await state_note("order", {"order": "1"}, is_awaited=False)
    assert await fetch_value("SELECT count(*) FROM waiting_note") == 1
    await note_now()
    assert await fetch_value("SELECT count(*) FROM waiting_note") == 0
