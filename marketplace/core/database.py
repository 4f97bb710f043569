"""The database: one engine, `transaction()` and a few verbs that join the open transaction, if any.

Piccolo 1.38 has three defects that this file repairs: a failed COMMIT leaks its connection, a nested transaction is a
no-op (here it is a savepoint), and a child task silently shares its parent's transaction (here it is refused).
"""

from __future__ import annotations

import asyncio
import functools
import socket
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

from asyncpg import Connection, Record
from asyncpg.exceptions import CharacterNotInRepertoireError, UntranslatableCharacterError
from asyncpg.pool import Pool
from msgspec import Struct
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from marketplace.core.errors import Invalid
from marketplace.core.pools import BoundedPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    import asyncpg
    import numpy as np
    from numpy.typing import NDArray
    from piccolo.columns import Column
    from piccolo.query import Query, Select
    from piccolo.table import Table

Row = TypeVar("Row", bound=Struct)
Scalar = TypeVar("Scalar")
Verb = TypeVar("Verb", bound="Callable[..., Any]")
Values: TypeAlias = "dict[Column | str, Any]"
"""The values of a Piccolo update."""
row_check: Callable[[type[Struct], Any, str, Sequence[asyncpg.Record]], Awaitable[None]] | None = None
"""Compares a row's fields with the columns and values that its statement returned; set by tests, None in production."""

NOT_KEPT: Final = "A value is out of range or holds a character that cannot be kept."
OLDEST_SERVER = 170_000
VANISHED_SECONDS: Final = 60
"""After so long a silence a machine at the other end counts as vanished: its connection ends, and with it its locks."""
IDLE_SECONDS, PROBE_SECONDS, PROBES = 30, 10, 3
ROLLBACK_SECONDS: Final = 5
"""After so long a rollback is left to the server: the connection is ended as it is released."""
SESSION: Final = {
    "application_name": "partage",
    "timezone": "UTC",
    "tcp_keepalives_idle": str(IDLE_SECONDS),
    "tcp_keepalives_interval": str(PROBE_SECONDS),
    "tcp_keepalives_count": str(PROBES),
    "tcp_user_timeout": str(VANISHED_SECONDS * 1000),
}
"""Session settings; with the last four the server notices within a minute that our machine vanished."""
ROWS_A_COPY, ROWS_A_PIECE = 1_000_000, 65_536
LONGEST_COPY_SECONDS = 4 * 3600
QUOTE = b"\x02"
"""A character that no text of ours has: only an empty line is quoted."""
COPY_SIGNATURE, COPY_HEADER_BYTES, COPY_END = b"PGCOPY\n\xff\r\n\0", 19, b"\xff\xff"
BYTES_A_PIECE = 1 << 22
BYTES_A_MESSAGE = 120 << 10
"""Smaller than the size that the C library maps each time: fresh pages cost more than the copy."""


def refusing(verb: Verb) -> Verb:
    """Make a verb refuse a text with a character that PostgreSQL cannot store (NUL), as forms do."""

    @functools.wraps(verb)
    async def refuse(*values: object, **named: object) -> object:
        try:
            return await verb(*values, **named)
        except (CharacterNotInRepertoireError, UntranslatableCharacterError) as error:
            raise Invalid(NOT_KEPT) from error

    return cast("Verb", refuse)


class Transaction(PostgresTransaction):
    """A database transaction of one task; inside another one it is a savepoint."""

    __slots__ = ("afterwards", "isolation", "readonly", "savepoint_of", "task")

    def __init__(self, engine: Engine, *, isolation: str | None = None, readonly: bool = False) -> None:
        """Remember the task, to refuse child tasks."""
        super().__init__(engine, allow_nested=True)
        self.isolation, self.readonly = isolation, readonly
        self.task = asyncio.current_task()
        self.savepoint_of: Any = None
        self.afterwards: dict[Callable[[], Awaitable[object]], None] = {}
        self._parent: Transaction | None
        if self._parent is not None:
            assert self._parent.task is self.task, "a transaction must not be shared with a child task"

    async def __aenter__(self) -> Transaction:  # noqa: PYI034 (inside another transaction it is that one)
        """Open the transaction, or a savepoint of the one already open."""
        if self._parent is not None:
            self.savepoint_of = self._parent.connection.transaction()
            await self.savepoint_of.start()
            return self._parent
        self.connection = await self.get_connection()
        try:
            self.transaction = self.connection.transaction(isolation=self.isolation, readonly=self.readonly)
            await self.begin()
        except BaseException:
            await self._release()
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Commit, or roll back after an error; the connection is returned even if COMMIT fails."""
        if self._parent is not None:
            await (self.savepoint_of.rollback() if kind else self.savepoint_of.commit())
            return False
        try:
            if kind is None:
                await self.commit()
            else:
                async with asyncio.timeout(ROLLBACK_SECONDS):
                    await self.rollback()
        except TimeoutError:
            if kind is None:
                raise
        finally:
            self.engine.current_transaction.reset(self.context)
            await self._release()
        if kind is None:
            for step in self.afterwards:
                await step()
        return False

    async def _release(self) -> None:
        if self.engine.pool:
            await self.engine.pool.release(self.connection)
        else:
            await self.connection.close()


class Engine(PostgresEngine):
    """Piccolo's engine, silent at import; refuses queries that would join another task's transaction."""

    async def check_version(self) -> None:
        """Do not connect at import; `open_pool` checks the server."""

    async def prep_database(self) -> None:
        """Create no extension: migrations own the schema."""

    async def get_new_connection(self) -> Any:  # noqa: ANN401 (Piccolo's signature)
        """Connect outside the pool, for a lock or to listen."""
        connection = await super().get_new_connection()
        await _watch(connection)
        return connection

    @refusing
    async def run_querystring(self, querystring: Any, in_pool: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002 (Piccolo's signature)
        """Run one Piccolo query in the open transaction, or on its own."""
        current: Any = self.current_transaction.get()
        assert current is None or current.task is asyncio.current_task(), (
            "a child task must not join its parent's transaction"
        )
        return await super().run_querystring(querystring, in_pool)


DB = Engine(config={})


async def open_pool(url: str, *, size: int = 10, is_bounded: bool = False) -> None:
    """Connect the process to the database at `url`.

    is_bounded: who would wait too long for a connection is refused as Busy, as a site's requests are.
    """
    DB.config = {"dsn": url, "server_settings": SESSION}
    DB.pool = await (BoundedPool if is_bounded else Pool)(
        init_size=1,
        min_size=1,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300,
        loop=None,
        connection_class=Connection,
        record_class=Record,
        command_timeout=120,
        statement_cache_size=500,
        reset=_leave,
        init=_watch,
        **DB.config,
    )
    version = int(await fetch_scalar(str, "SHOW server_version_num") or 0)
    if version < OLDEST_SERVER:
        await close_pool()
        raise Invalid("PostgreSQL 17 or newer is needed; this server is {version}.", version=version // 10_000)


def reason_of(error: BaseException) -> str:
    """Return one line, without the full stop, on why a database could not be reached, or the kind of error."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.strip().splitlines() or [""])[0].rstrip(".") or type(error).__name__


async def _leave(_: asyncpg.Connection) -> None:
    """Return a connection unchanged: no verb here changes its session, and asyncpg's reset costs a request."""


async def _watch(connection: asyncpg.Connection) -> None:
    """Make this machine notice within a minute that the server vanished, as `SESSION` does the reverse."""
    of_it = connection._transport.get_extra_info("socket")  # noqa: SLF001 (asyncpg has no other way)
    if of_it is None or of_it.family not in (socket.AF_INET, socket.AF_INET6):
        return  # a Unix socket, whose other end cannot vanish alone
    of_it.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", IDLE_SECONDS),
        ("TCP_KEEPINTVL", PROBE_SECONDS),
        ("TCP_KEEPCNT", PROBES),
        ("TCP_USER_TIMEOUT", VANISHED_SECONDS * 1000),
    ):
        if (option := getattr(socket, name, None)) is not None:  # not every system has each
            of_it.setsockopt(socket.IPPROTO_TCP, option, value)


async def close_pool() -> None:
    """Close every connection."""
    if DB.pool:
        await asyncio.wait_for(DB.close_connection_pool(), 10)


def transaction(*, isolation: str | None = None, readonly: bool = False) -> Transaction:
    """Open a transaction (`async with`); inside another one of the same task it is a savepoint."""
    return Transaction(DB, isolation=isolation, readonly=readonly)


def is_in_transaction() -> bool:
    """Return whether this task has a transaction open, which every verb joins."""
    return DB.current_transaction.get() is not None


def after_commit(step: Callable[[], Awaitable[object]]) -> None:
    """Have `step` run once the outermost open transaction has committed, before its block ends; the same one once."""
    current: Any = DB.current_transaction.get()
    assert current is not None, "a step follows a transaction"
    current.afterwards[step] = None


def _joined() -> Any:  # noqa: ANN401 (a pool or a connection: both speak asyncpg's verbs)
    current: Any = DB.current_transaction.get()
    if current is None:
        assert DB.pool, "open_pool() first"
        return DB.pool
    assert current.task is asyncio.current_task(), "a child task must not join its parent's transaction"
    return current.connection


def columns(row: type[Struct], table: type[Table]) -> list[Column]:
    """Return the columns of `table` that `row` has fields for, in the fields' order, for a RETURNING."""
    return [table._meta.get_column_by_name(name) for name in row.__struct_fields__]  # noqa: SLF001 (Piccolo has no other way)


def select(row: type[Struct], table: type[Table]) -> Select[Any]:
    """Return Piccolo's query of the columns of `table` that `row` has fields for, in the fields' order."""
    return table.select(*columns(row, table))


@refusing
async def fetch_rows(row: type[Row], source: str | Query[Any, Any], *values: object) -> list[Row]:
    """Return all rows of `source`, SQL with parameters $1, $2, … or a Piccolo query, as `row`: its fields are the columns."""
    sql, given = _statement(source, values)
    records = await _joined().fetch(sql, *given)
    if row_check is not None:
        await row_check(row, _joined(), sql, records)
    return [row(*record) for record in records]


@refusing
async def fetch_row(row: type[Row], source: str | Query[Any, Any], *values: object) -> Row | None:
    """Return the first row of `source` as `row`, or None."""
    sql, given = _statement(source, values)
    record = await _joined().fetchrow(sql, *given)
    if row_check is not None:
        await row_check(row, _joined(), sql, [] if record is None else [record])
    return None if record is None else row(*record)


@refusing
async def fetch_scalar(kind: type[Scalar], source: str | Query[Any, Any], *values: object) -> Scalar | None:
    """Return the first column of the first row of `source`, or None if there is no row or it is null."""
    sql, given = _statement(source, values)
    value = await _joined().fetchval(sql, *given)
    assert value is None or isinstance(value, kind), f"{sql} returns {type(value).__name__}, not {kind.__name__}"
    return value


@refusing
async def fetch_column(kind: type[Scalar], source: str | Query[Any, Any], *values: object) -> list[Scalar]:
    """Return the first column of all rows of `source`, which has no nulls."""
    sql, given = _statement(source, values)
    column = [record[0] for record in await _joined().fetch(sql, *given)]
    assert all(isinstance(value, kind) for value in column), f"{sql} returns other values than {kind.__name__}"
    return column


def _statement(source: str | Query[Any, Any], values: tuple[object, ...]) -> tuple[str, Sequence[object]]:
    if isinstance(source, str):
        return source, values
    assert not values, "a Piccolo query carries its own values"
    (querystring,) = source.querystrings
    sql, given = querystring.compile_string()
    return sql, given


@refusing
async def execute(sql: str, *values: object) -> int:
    """Run `sql` and return how many rows it touched."""
    return _touched(await _joined().execute(sql, *values))


async def execute_long(sql: str, *values: object) -> int:
    """Run `sql`, which may outlast the command timeout, and return how many rows it touched."""
    return _touched(await _joined().execute(sql, *values, timeout=LONGEST_COPY_SECONDS))


def _touched(status: str) -> int:
    count = status.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


async def copy_in(
    table: str, columns: Sequence[str], records: Iterable[Sequence[object]] | AsyncIterator[Sequence[object]]
) -> None:
    """COPY `records` into `table` inside the open transaction or on their own."""
    await _joined().copy_records_to_table(table, columns=list(columns), records=records)


async def copy_columns(table: str, columns: Mapping[str, NDArray[np.int64] | NDArray[np.bytes_]]) -> None:
    """COPY whole columns, all of one length, into `table`, without a Python object per value.

    A column has 64-bit integers, or bytes of one length: texts (ASCII), or ids as sixteen bytes. Rows are sent in
    pieces that neither outlast the command timeout nor fill the memory: open a transaction around it.
    """
    rows = len(next(iter(columns.values())))
    for start in range(0, rows, ROWS_A_COPY):
        piece = [column[start : start + ROWS_A_COPY] for column in columns.values()]
        await _joined().copy_to_table(table, columns=list(columns), source=_binary(piece), format="binary")


async def copy_out(sql: str, *values: object, sink: Callable[[bytes], Awaitable[None]]) -> None:
    """Send every row of `sql`, which has one column of text, to `sink` as a line in UTF-8; whole lines at a time.

    Nothing is buffered, so there may be millions of rows, and the statement may outlast the command timeout.
    """

    async def unquoted(data: bytes) -> None:
        await sink(data.replace(QUOTE, b""))

    await _joined().copy_from_query(
        sql,
        *values,
        output=unquoted,
        format="csv",
        delimiter="\x01",
        quote=QUOTE.decode(),
        timeout=LONGEST_COPY_SECONDS,
    )


async def copy_pieces(table: str, columns: Sequence[str], pieces: AsyncIterator[NDArray[np.void]]) -> None:
    """COPY rows of `make_rows` into `table`, created by the open transaction: as frozen rows, never vacuumed.

    It waits for each piece, uses it before it asks for the next, and may outlast the command timeout.
    """
    import numpy as np  # noqa: PLC0415 (only who copies pays for it)

    async def whole() -> AsyncIterator[bytes | memoryview]:
        yield COPY_SIGNATURE + bytes(8)
        async for piece in pieces:
            content = piece.view(np.uint8).data
            for start in range(0, len(content), BYTES_A_MESSAGE):
                yield content[start : start + BYTES_A_MESSAGE]
        yield COPY_END

    await _joined().copy_to_table(
        table, columns=list(columns), source=whole(), format="binary", freeze=True, timeout=LONGEST_COPY_SECONDS
    )


async def _binary(columns: Sequence[NDArray[np.int64] | NDArray[np.bytes_]]) -> AsyncIterator[bytes]:
    """Yield PostgreSQL's binary COPY format."""
    yield COPY_SIGNATURE + bytes(8)
    for start in range(0, len(columns[0]), ROWS_A_PIECE):
        yield _rows_in_binary([column[start : start + ROWS_A_PIECE] for column in columns])
    yield COPY_END


def make_rows(count: int, columns: int) -> NDArray[np.void]:
    """Return rows of 64-bit integers in PostgreSQL's binary COPY format; its columns value0, value1, … must be set."""
    import numpy as np  # noqa: PLC0415 (only who copies pays for it)

    rows = np.zeros(count, _layout([np.dtype(np.int64)] * columns))
    rows["columns"] = columns
    for i in range(columns):
        rows[f"length{i}"] = rows[f"value{i}"].itemsize
    return rows


def _rows_in_binary(columns: Sequence[NDArray[np.int64] | NDArray[np.bytes_]]) -> bytes:
    import numpy as np  # noqa: PLC0415 (only who copies pays for it)

    rows = np.empty(len(columns[0]), dtype=_layout([column.dtype for column in columns]))
    rows["columns"] = len(columns)
    for i, column in enumerate(columns):
        rows[f"length{i}"], rows[f"value{i}"] = column.itemsize, column
    return rows.tobytes()


async def fetch_columns(sql: str, *values: object) -> list[NDArray[np.int64]]:
    """Return the columns of `sql`, all of 64-bit integers without nulls, as arrays: no Python object per value.

    Parameters are as in `fetch`. Returns no column at all when there is no row.
    """
    import numpy as np  # noqa: PLC0415 (only who copies pays for it)

    pieces: list[list[NDArray[np.int64]]] = []
    await stream_columns(sql, *values, sink=pieces.append)
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


async def stream_columns(sql: str, *values: object, sink: Callable[[list[NDArray[np.int64]]], None]) -> None:
    """Pass the columns of `sql` to `sink` in the form of `fetch_columns`, some hundred thousand rows at a time.

    The statement may outlast the command timeout. An instant comes as whole microseconds since 2000.
    """
    waiting: list[bytes] = []
    size = 0

    async def receive(data: bytes) -> None:
        nonlocal size
        waiting.append(data)
        size += len(data)
        if size > BYTES_A_PIECE:
            flush()

    def flush() -> None:
        nonlocal size
        piece = b"".join(waiting)
        rest = _hand_over(piece, COPY_HEADER_BYTES if piece.startswith(COPY_SIGNATURE) else 0, sink)
        waiting[:] = [rest]
        size = len(rest)

    await _joined().copy_from_query(sql, *values, output=receive, format="binary", timeout=LONGEST_COPY_SECONDS)
    flush()


def _hand_over(piece: bytes, begin: int, sink: Callable[[list[NDArray[np.int64]]], None]) -> bytes:
    """Pass the whole rows of a piece to `sink`, and return the rest."""
    import numpy as np  # noqa: PLC0415 (only who copies pays for it)

    count = int.from_bytes(piece[begin : begin + 2], "big", signed=True)
    if count < 0:  # The end's mark is in the place of the first row's number of columns.
        return piece[begin:]
    layout = _layout([np.dtype(np.int64)] * count)
    rows = np.frombuffer(piece, dtype=layout, offset=begin, count=(len(piece) - begin) // layout.itemsize)
    assert all((rows[f"length{i}"] == 8).all() for i in range(count)), "every value is a 64-bit integer"  # noqa: PLR2004
    sink([rows[f"value{i}"].astype(np.int64) for i in range(count)])
    return piece[begin + rows.nbytes :]


def _layout(columns: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """Return a row of PostgreSQL's binary COPY format: its number of columns, then each value after its length."""
    import numpy as np  # noqa: PLC0415 (only who copies pays for it)

    values = enumerate(column.newbyteorder(">") for column in columns)
    fields = [part for i, value in values for part in ((f"length{i}", ">i4"), (f"value{i}", value))]
    return np.dtype([("columns", ">i2"), *fields])
