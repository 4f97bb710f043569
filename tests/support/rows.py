"""Every typed read of every test is checked: the row's fields are the statement's columns, in name, order, type and nullability."""

import datetime as dt
import uuid
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import asyncpg
import msgspec

BUILTIN = (bytes, bytearray, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, Decimal)
COLUMN_TYPES: dict[str, type] = {
    "bool": bool,
    "bytea": bytes,
    "date": dt.date,
    "float4": float,
    "float8": float,
    "int2": int,
    "int4": int,
    "int8": int,
    "interval": dt.timedelta,
    "json": str,
    "jsonb": str,
    "name": str,
    "numeric": Decimal,
    "text": str,
    "timestamptz": dt.datetime,
    "unknown": str,
    "uuid": uuid.UUID,
    "varchar": str,
    "bpchar": str,
}
_checked: set[tuple[type, str]] = set()


async def check_rows(row: type[msgspec.Struct], connection: Any, sql: str, records: Sequence[asyncpg.Record]) -> None:
    """Fail when `row` is not a frozen Struct of exactly the statement's columns, or a value is not of its field's type."""
    if (row, sql) not in _checked:
        assert row.__struct_config__.frozen, f"{row.__name__} is not frozen"
        columns = await _columns(connection, sql)
        fields = row.__struct_fields__
        assert tuple(columns) == fields, (
            f"{row.__name__} has the fields {fields}, its statement {tuple(columns)}: {sql}"
        )
        for name, of in _types(row).items():
            given = columns[name]
            fits = given[:-2] in COLUMN_TYPES and list in of if given.endswith("[]") else COLUMN_TYPES.get(given) in of
            assert fits, f"{row.__name__}.{name} is {of}, its column {given}: {sql}"
        _checked.add((row, sql))
    for record in records:
        values = {name: _plain(value) for name, value in record.items()}
        msgspec.convert(values, type=row, builtin_types=BUILTIN, strict=True)


async def _columns(connection: Any, sql: str) -> dict[str, str]:
    if hasattr(connection, "acquire"):
        async with connection.acquire() as one:
            return await _columns(one, sql)
    attributes = (await connection.prepare(sql)).get_attributes()
    await connection.execute(
        "SELECT"
    )  # asyncpg prepares without a Sync: the next BEGIN would be inside an implicit transaction
    return {attribute.name: attribute.type.name for attribute in attributes}


@cache
def _types(row: type[msgspec.Struct]) -> dict[str, tuple[type, ...]]:
    return {name: _parts(hint) for name, hint in get_type_hints(row).items()}


def _parts(hint: Any) -> tuple[type, ...]:
    if get_origin(hint) is Literal:
        return tuple({type(value) for value in get_args(hint)})
    if isinstance(hint, type) and not get_args(hint):
        return tuple(base for base in hint.__mro__ if base is not object)
    origin = get_origin(hint)
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return tuple(part for one in get_args(hint) for part in _parts(one))
    return (origin,)


def _plain(value: Any) -> Any:
    """Return asyncpg's own UUID as the standard library's, which is what a Struct's field says."""
    return uuid.UUID(int=value.int) if isinstance(value, uuid.UUID) else value
