"""A release's promises about its file, as a contract that a partner's tools test: Open Data Contract Standard 3.1.

It is JSON, which is YAML too. It names the file next to it, so `datacontract test` runs in the folder of the download.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from marketplace.privacy.dictionary import ABSENT, INSTANT, INTEGER, TEXT

if TYPE_CHECKING:
    from marketplace.delivery.downloads.formats.file_format import FileInput
    from marketplace.delivery.downloads.queries import EntitlementRow
    from marketplace.privacy.dictionary import Column

TYPES: Final = {
    TEXT: ("string", "VARCHAR"),
    INSTANT: ("timestamp", "TIMESTAMP_TZ"),
    INTEGER: ("integer", "BIGINT"),
}

STORED: Final = {TEXT: "VARCHAR", INSTANT: "TIMESTAMP WITH TIME ZONE", INTEGER: "BIGINT"}
"""The names of types in DuckDB, with which the tool reads Parquet: the tool cannot check Parquet's own types."""


def contract(row: EntitlementRow, given: FileInput, *, name: str, seller: str) -> bytes:
    """Return the contract; name: of the Parquet file next to it."""
    stated = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": str(row.release),
        "name": row.dataset,
        "version": f"{given.release.revision}.{row.level}.0",
        "status": "active",
        "description": {
            "purpose": given.dataset.description_en or given.dataset.title_en,
            "limitations": ABSENT.en,
            "usage": f"Licence of order {row.number}, until {row.ends_at.isoformat()}",
        },
        "servers": [{"server": "download", "type": "local", "path": f"./{name}", "format": "parquet"}],
        "schema": [
            {
                "name": "cells",
                "physicalType": "table",
                "logicalType": "object",
                "description": f"Release {row.release} of {seller}.",
                "properties": [_property(column) for column in given.columns],
                "quality": _promises(row, given, name),
            }
        ],
    }
    return json.dumps(stated, ensure_ascii=False, indent=1).encode()


def _property(column: Column) -> dict[str, Any]:
    logical, physical = TYPES[column.kind]
    return {
        "name": column.name,
        "logicalType": logical,
        "physicalType": physical,
        "required": True,
        "description": column.meaning.en,
    }


def _promises(row: EntitlementRow, given: FileInput, name: str) -> list[dict[str, Any]]:
    """Return the promises about all rows, each as a count of rows that break it."""
    specification = given.specification
    segments = ", ".join(f"'{name}'" for name in specification.segments)
    start, end = row.period_from.isoformat(), row.period_to.isoformat()
    types = " OR ".join(f"typeof({column.name}) <> '{STORED[column.kind]}'" for column in given.columns)
    broken = {
        "figures below the threshold are withheld": f"people < {given.threshold}",
        "segments are those of the dataset": f"segment NOT IN ({segments})",
        "times lie in the period": f"starts_at < TIMESTAMPTZ '{start}' OR starts_at >= TIMESTAMPTZ '{end}'",
    }
    counted = [_count(sentence, f"SELECT COUNT(*) FROM cells WHERE {rule}") for sentence, rule in broken.items()]
    key = "zone, starts_at, segment"
    twice = f"SELECT COUNT(*) FROM (SELECT 1 FROM cells GROUP BY {key} HAVING COUNT(*) > 1) AS twice"
    return [
        _count("columns have their types", f"SELECT COUNT(*) FROM read_parquet('./{name}') WHERE {types}"),
        *counted,
        _count("a zone, time and segment has one row", twice),
        _count("there are as many rows as were sealed", "SELECT COUNT(*) FROM cells", row.row_count),
    ]


def _count(sentence: str, query: str, expected: int = 0) -> dict[str, Any]:
    return {"type": "sql", "description": sentence, "query": query, "mustBe": expected}
