"""All tables, and what each declares about its personal data: copies, erasure and retention follow it."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from piccolo.columns import JSONB, UUID, BigInt, Boolean, Bytea, Date, ForeignKey, Integer, Serial, Timestamptz
from piccolo.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from piccolo.columns import Column

    from marketplace.core.personal_data import PersonalData

PACKAGE: Final = Path(__file__).parents[2]
SECRET_ENDINGS: Final = ("_hash", "fingerprint", "key_id")
"""Endings of columns with a secret's digest or a key's id, which describe no person."""
TYPES: Final[Sequence[tuple[type[Column], dict[str, Any]]]] = (
    (UUID, {"type": "string", "format": "uuid"}),
    (Timestamptz, {"type": "string", "format": "date-time"}),
    (Date, {"type": "string", "format": "date"}),
    (Boolean, {"type": "boolean"}),
    (BigInt, {"type": "integer"}),
    (Integer, {"type": "integer"}),
    (Serial, {"type": "integer"}),
    (JSONB, {}),
)
"""The JSON types of columns' values; all others are texts."""


@functools.cache
def list_tables() -> tuple[type[Table], ...]:
    """Return every table of every package by name; a new package's tables are found automatically."""
    found = {
        table._meta.tablename: table  # noqa: SLF001 (Piccolo has no other way)
        for path in sorted(PACKAGE.glob("*/*/*tables.py"))
        for table in vars(importlib.import_module(".".join(("marketplace", *path.with_suffix("").parts[-3:])))).values()
        if isinstance(table, type) and issubclass(table, Table) and table is not Table
    }
    return tuple(found[name] for name in sorted(found))


def name_of(table: type[Table]) -> str:
    """Return a table's name in the database."""
    return table._meta.tablename  # noqa: SLF001 (Piccolo has no other way)


def package_of(table: type[Table]) -> str:
    """Return a table's package, or its file if there are several: `money.ledger`, `people.sign_in.factor_tables`."""
    return table.__module__.removeprefix("marketplace.").removesuffix(".tables")


def declared(table: type[Table]) -> PersonalData:
    """Return a table's declaration."""
    stated: PersonalData = table.personal_data  # type: ignore[attr-defined]
    return stated


def copied_tables() -> list[type[Table]]:
    """Return the tables whose rows are in a person's copy."""
    return [table for table in list_tables() if declared(table).exported]


def copied_columns(table: type[Table]) -> list[Column]:
    """Return the columns of a copy: all except digests of secrets, and bytes, which are sealed or a device's own."""
    return [
        column
        for column in table._meta.columns  # noqa: SLF001 (Piccolo has no other way)
        if not isinstance(column, Bytea) and not column._meta.name.endswith(SECRET_ENDINGS)  # noqa: SLF001
    ]


def fields_of(table: type[Table]) -> list[str]:
    """Return the names of a copied row's values, in order: its columns, then its opened fields."""
    columns = [column._meta.name for column in copied_columns(table)]  # noqa: SLF001
    return [*columns, *(name for name in declared(table).opened if name not in columns)]


def schema_of(table: type[Table]) -> dict[str, Any]:
    """Return the JSON schema of a copied row."""
    kinds: dict[str, Any] = {column._meta.name: _kind(column) for column in copied_columns(table)}  # noqa: SLF001
    kinds |= {name: {"type": ["string", "null"]} for name in declared(table).opened}
    return {
        "type": "object",
        "description": (table.__doc__ or "").partition("\n")[0],
        "properties": {name: kinds[name] for name in fields_of(table)},
        "required": fields_of(table),
        "additionalProperties": False,
    }


def _kind(column: Column) -> dict[str, Any]:
    source = column
    while isinstance(source, ForeignKey):
        source = source._foreign_key_meta.resolved_target_column  # noqa: SLF001
    kind = next((dict(kind) for columns, kind in TYPES if isinstance(source, columns)), {"type": "string"})
    if column._meta.null and "type" in kind:  # noqa: SLF001
        return kind | {"type": [kind["type"], "null"]}
    return kind
