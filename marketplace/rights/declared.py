"""Which tables there are, and what each declares of the personal data in it: the copy, erasure and retention go by it."""

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

    from marketplace.personal_data import PersonalData

PACKAGE: Final = Path(__file__).parent.parent
SECRET_ENDINGS: Final = ("_hash", "fingerprint", "key_id")
"""How a column ends that has a secret's digest, or says which key sealed: nothing that describes a person."""
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
"""What a column's values are in JSON; all others are texts."""


@functools.cache
def list_tables() -> tuple[type[Table], ...]:
    """Return every table of every slice by name; a new slice's are among them by being there."""
    found = {
        table._meta.tablename: table  # noqa: SLF001 (Piccolo has no other way)
        for path in sorted(PACKAGE.glob("*/tables.py"))
        for table in vars(importlib.import_module(f"marketplace.{path.parent.name}.tables")).values()
        if isinstance(table, type) and issubclass(table, Table) and table is not Table
    }
    return tuple(found[name] for name in sorted(found))


def name_of(table: type[Table]) -> str:
    """Return a table's name in the database."""
    return table._meta.tablename  # noqa: SLF001 (Piccolo has no other way)


def declared(table: type[Table]) -> PersonalData:
    """Return what a table declares."""
    stated: PersonalData = table.personal_data  # type: ignore[attr-defined]
    return stated


def copied_tables() -> list[type[Table]]:
    """Return the tables whose rows a person's copy has."""
    return [table for table in list_tables() if declared(table).exported]


def copied_columns(table: type[Table]) -> list[Column]:
    """Return the columns that a copy has: all but digests of secrets, and bytes, which are sealed or a device's own."""
    return [
        column
        for column in table._meta.columns  # noqa: SLF001 (Piccolo has no other way)
        if not isinstance(column, Bytea) and not column._meta.name.endswith(SECRET_ENDINGS)  # noqa: SLF001
    ]


def fields_of(table: type[Table]) -> list[str]:
    """Return the names of a copied row's values, in order: its columns, then what is opened for the person."""
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
