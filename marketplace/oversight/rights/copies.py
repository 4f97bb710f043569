"""A copy of all data about one person: JSON with its schema and CSV in one zip, by the tables' declarations.

Rows go from the database to a file one at a time, so that ten years need as little memory as a day. Nothing is stored:
the file is written on request, without a name in any folder, and deleted once it was sent.
"""

from __future__ import annotations

import asyncio
import csv
import re
import tempfile
import uuid
import zipfile
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from piccolo.columns.combination import WhereRaw

from marketplace.consent.purposes.queries import get_signed_receipt
from marketplace.core import clock
from marketplace.core.database import copy_out, execute, transaction
from marketplace.core.locks import lock
from marketplace.core.web.csv_files import cell
from marketplace.core.working_folders import working_folder
from marketplace.datasets.builds.own_events import read_own_events
from marketplace.oversight.message_kinds import DATA_COPIED
from marketplace.oversight.rights.copy_schema import (
    LISTS,
    OF_RELEASES,
    README,
    SHARE,
    WITH_EVENTS,
    WITHOUT_EVENTS,
    schema,
)
from marketplace.oversight.rights.declarations import copied_columns, copied_tables, declared, fields_of, name_of
from marketplace.oversight.rights.queries import Me, get_me
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import vault
from marketplace.people.messages.actions import send
from marketplace.people.messages.queries import in_words
from marketplace.people.messages.rules import Recipient
from marketplace.subscribers.earnings.queries import read_shares

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from piccolo.table import Table

    from marketplace.subscribers.earnings.queries import Share

PIECE_BYTES: Final = 1 << 20
MOST_COPIES: Final = 2
"""Copies that one process writes at the same time."""
TYPES: Final = {
    "person": "uuid",
    "email": "text",
    "line": "bigint",
    "partner": "uuid",
    "since": "timestamptz",
}
_writing = asyncio.Semaphore(MOST_COPIES)
_encode = msgspec.json.Encoder().encode


async def write_copy(person: uuid.UUID) -> IO[bytes]:
    """Write a person's copy and send them a message about it; return the zip, at its start.

    The caller closes it. Refuses NotFound, also if they were erased during the writing. A caller that stops waiting, as
    at a request's deadline, leaves its threads at work: until they end, it counts among the copies being written and
    has its folder.
    """
    await _writing.acquire()
    writing = asyncio.create_task(_write(person))
    writing.add_done_callback(lambda _: _writing.release())
    try:
        file = await asyncio.shield(writing)
    except asyncio.CancelledError:
        writing.add_done_callback(_close_unasked)
        raise
    try:
        async with transaction():
            await lock(f"erasure {person}")
            await get_me(person)  # an erased person gets no message, since nobody would read it
            at = clock.now()
            to = [Recipient("person", str(person))]
            await note_access(person, "own_data_copied")
            await send(DATA_COPIED, f"{person} {at.isoformat()}", to, at=at.isoformat())
    except BaseException:
        file.close()
        raise
    return file


async def _write(person: uuid.UUID) -> IO[bytes]:
    me = await get_me(person)
    with working_folder() as folder:
        has_events = await _write_lists(folder, me)
        return await asyncio.to_thread(_zipped, folder, me, has_events=has_events)


def _close_unasked(writing: asyncio.Task[IO[bytes]]) -> None:
    if not writing.cancelled() and writing.exception() is None:
        writing.result().close()


async def pieces_of(file: IO[bytes]) -> AsyncIterator[bytes]:
    """Yield a file's bytes, and close it."""
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


# The lists ------------------------------------------------------------------------------------------------------------


class _List:
    """One list of the copy: a JSON array, and a CSV file of the same rows."""

    def __init__(self, folder: Path, name: str, fields: Sequence[str], stack: ExitStack) -> None:
        """Open both files."""
        self.fields, self.rows = fields, 0
        self.json = stack.enter_context((folder / f"{name}.json").open("wb"))
        self.text = stack.enter_context((folder / f"{name}.csv").open("w", encoding="utf-8-sig", newline=""))
        self.csv = csv.writer(self.text)
        self.csv.writerow(fields)

    def add(self, row: dict[str, Any]) -> None:
        """Add a row; its values in the order of the fields."""
        self.json.write(b",\n" if self.rows else b"\n")
        self.json.write(_encode({name: row[name] for name in self.fields}))
        self.csv.writerow([cell(_cell(row[name])) for name in self.fields])
        self.rows += 1


def _cell(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    return _encode(value).decode()


async def _write_lists(folder: Path, me: Me) -> bool:
    """Write every list; return whether the events could be read."""
    receipts: list[str] = []
    with ExitStack() as stack:
        async with transaction(isolation="repeatable_read", readonly=True):
            await execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            for table in copied_tables():
                name = name_of(table)
                rows = _List(folder, name, fields_of(table), stack)

                def add(row: dict[str, Any], name: str = name, rows: _List = rows) -> None:
                    opened = OPENERS.get(name, _opened)(name, row, me) if declared(table).opened else {}  # noqa: B023
                    rows.add(row | opened)
                    if name == "consent_record":
                        receipts.append(row["receipt"])

                await _read(table, me, add)
        has_events = await asyncio.to_thread(_write_events, _List(folder, "events", LISTS["events"], stack), me)
        await _write_receipts(_List(folder, "receipts", LISTS["receipts"], stack), receipts)
        await _write_uses(folder, me, stack)
    return has_events


def _write_events(rows: _List, me: Me) -> bool:
    """Write the events of the person's line; return whether they could be read."""
    events = read_own_events(me.line, me.since) if me.line is not None else iter(())
    for event in events or ():
        rows.add(event)
    return events is not None


async def _read(table: type[Table], me: Me, add: Callable[[dict[str, Any]], None]) -> None:
    """Pass every row of a table that is the person's to `add`, one at a time, with sealed content and its key's id."""
    given: list[object] = []

    def parameter(found: re.Match[str]) -> str:
        given.append(getattr(me, found[1]))
        return f"{{}}::{TYPES[found[1]]}"

    condition = re.sub(r"\bme\.(\w+)", parameter, declared(table).find)
    sealed = [
        column
        for column in table._meta.columns  # noqa: SLF001 (Piccolo has no other way)
        if declared(table).opened and column._meta.name in ("sealed", "key_id")  # noqa: SLF001
    ]
    query = table.select(*copied_columns(table), *sealed).where(WhereRaw(condition, *given))
    (querystring,) = query.order_by(table._meta.primary_key).querystrings  # noqa: SLF001
    sql, values = querystring.compile_string()
    rest = b""

    async def sink(data: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            add(msgspec.json.decode(line))
        await asyncio.sleep(0)

    await copy_out(f"SELECT row_to_json(found)::text FROM ({sql}) AS found", *values, sink=sink)
    assert not rest, "a row ends with its line"


# What is sealed or coded, in readable words ------------------------------------------------------------------------


def _opened(table: str, row: dict[str, Any], me: Me) -> dict[str, Any]:
    """Return a row's unsealed content; the stored values if nothing is sealed, null if no key opens it."""
    sealed, key_id = row.pop("sealed"), row.pop("key_id")
    fields = next(declared(one).opened for one in copied_tables() if name_of(one) == table)
    if sealed is None:
        return {name: row.get(name) for name in fields}
    assert me.line is not None
    content = vault.find_content(key_id, bytes.fromhex(sealed[2:]), uuid.UUID(row["id"]), me.line, table=table) or {}
    return {name: content.get(name) for name in fields}


def _in_words(_: str, row: dict[str, Any], me: Me) -> dict[str, Any]:
    """Return a message's words."""
    words = in_words(row["kind"], row["source_id"], _encode(row["details"]).decode(), me.language)
    return {"subject": words.subject, "text": words.body}


OPENERS: Final[dict[str, Callable[[str, dict[str, Any], Me], dict[str, Any]]]] = {"message": _in_words}
"""How to read a table's opened fields that are not sealed content."""


# What is computed -----------------------------------------------------------------------------------------------------


async def _write_receipts(rows: _List, receipts: Sequence[str]) -> None:
    for receipt in receipts:
        document, signature = await get_signed_receipt(uuid.UUID(receipt))
        rows.add({"receipt": receipt, "document": document.decode(), "signature": signature.hex()})


async def _write_uses(folder: Path, me: Me, stack: ExitStack) -> None:
    """Write each licence's earnings of the person's line, and the sold releases it counts in since it is theirs.

    Earnings stay with the line. Earlier releases, which reveal where the line was, are its former holder's.
    """
    shares = _List(folder, "shares", LISTS["shares"], stack)
    uses = _List(folder, "uses", LISTS["uses"], stack)
    if me.line is None:
        return
    used: dict[uuid.UUID, dict[str, Any]] = {}
    async for share in read_shares(me.line):
        row = {name: _value(share, source) for name, source in SHARE.items()}
        if share.period_to <= me.since:
            shares.add(row | dict.fromkeys(OF_RELEASES))
            continue
        shares.add(row)
        use = used.setdefault(share.release, _use(share, me.language))
        use["licences"] += 1
        use["last_sold_in"] = max(use["last_sold_in"], share.sold_in.isoformat())
    for use in used.values():
        uses.add(use)


def _value(share: Share, name: str) -> object:
    value = getattr(share, name)
    return value if value is None or isinstance(value, str | int) else msgspec.to_builtins(value)


def _use(share: Share, language: str) -> dict[str, Any]:
    return {
        "release": str(share.release),
        "dataset": share.title_fr if language == "fr" else share.title_en,
        "area": share.area,
        "period_from": share.period_from.isoformat(),
        "period_to": share.period_to.isoformat(),
        "licences": 0,
        "last_sold_in": share.sold_in.isoformat(),
    }


# The file -------------------------------------------------------------------------------------------------------------


def _zipped(folder: Path, me: Me, *, has_events: bool) -> IO[bytes]:
    """Return a temporary file with the zip of everything written: data.json, schema.json, and csv/ with each list."""
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
            whole.writestr(
                "README.txt",
                README.filled(
                    me.language, {"events": (WITH_EVENTS if has_events else WITHOUT_EVENTS).filled(me.language, {})}
                ),
            )
            whole.writestr("schema.json", _encode(schema()))
            lists = sorted(path.stem for path in folder.glob("*.json"))
            with whole.open("data.json", "w", force_zip64=True) as data:
                data.write(b'{"version": 1, "made_at": ' + _encode(clock.now()) + b', "lists": {')
                for place, name in enumerate(lists):
                    data.write((",\n" if place else "\n").encode() + _encode(name) + b": [")
                    with (folder / f"{name}.json").open("rb") as part:
                        while piece := part.read(PIECE_BYTES):
                            data.write(piece)
                    data.write(b"]")
                data.write(b"}}\n")
            for name in lists:
                whole.write(folder / f"{name}.csv", f"csv/{name}.csv")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
