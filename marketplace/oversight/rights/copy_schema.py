"""The lists of a copy and the fields of their rows: the JSON schema of `data.json`, and the page that explains it."""

from __future__ import annotations

from typing import Any, Final

from marketplace.core.words import Words
from marketplace.datasets.builds.own_events import EVENT
from marketplace.oversight.rights.declarations import copied_tables, name_of, schema_of

SHARE: Final = {
    "licence": "id",
    "release": "release",
    "sold_in": "sold_in",
    "state": "state",
    "held_until": "closes_at",
    "posted_minor": "posted_minor",
    "pool_minor": "pool_minor",
    "divided_by": "denominator",
    "share_micro": "share_micro",
    "of_the_pool_micro": "pool_share_micro",
    "added_for_a_promise_micro": "added_micro",
}
"""A field of a share in a copy → its name in `subscribers.earnings.queries.Share`."""
OF_RELEASES: Final = ("licence", "release", "sold_in", "held_until", "posted_minor", "pool_minor", "divided_by")
"""The fields that identify the release; null if the release is older than the line's present holder."""
USE: Final = ("release", "dataset", "area", "period_from", "period_to", "licences", "last_sold_in")
LISTS: Final[dict[str, tuple[str, ...]]] = {
    "events": EVENT,
    "receipts": ("receipt", "document", "signature"),
    "shares": tuple(SHARE),
    "uses": USE,
}
"""The lists that are no table's rows, and the fields of each."""
DESCRIPTIONS: Final = {
    "events": "Where your line was on the network: a site of the operator's, or coordinates.",
    "receipts": "The signed receipt of each consent: `document` are the exact bytes, `signature` is Ed25519, hex.",
    "shares": "What each licence earned you, in millionths of a euro; of releases older than your holding of the line, that alone.",
    "uses": "The sold releases that your line counts in, and how many licences of each were sold.",
}
INTEGERS: Final = ("licences", "posted_minor", "pool_minor", "divided_by")
OPTIONAL: Final = {
    "licence": "string",
    "release": "string",
    "sold_in": "string",
    "held_until": "string",
    "posted_minor": "integer",
    "pool_minor": "integer",
    "divided_by": "integer",
    "site": "string",
    "kind": "string",
    "latitude": "number",
    "longitude": "number",
}
README: Final = Words("""All that Partage knows about you.

data.json    every list in one file
schema.json  what each list has (JSON Schema 2020-12)
csv/         the same lists, each a file that a spreadsheet opens

Amounts that end in _minor are cents, those that end in _micro are millionths of a euro; instants are in universal
time. Your passwords, codes and keys are not in it: we have their digests alone.
{events}
""")
WITH_EVENTS: Final = Words("The list “events” says where your line was, as far as we still have it.")
WITHOUT_EVENTS: Final = Words(
    "There are too many events of the network to find yours here: ask your operator for them."
)


def schema() -> dict[str, Any]:
    """Return the JSON schema of `data.json`."""
    rows = {name_of(table): schema_of(table) for table in copied_tables()}
    rows |= {name: _computed(name, fields) for name, fields in LISTS.items()}
    lists = {name: {"type": "array", "items": rows[name]} for name in sorted(rows)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A copy of all that Partage holds about one person",
        "type": "object",
        "properties": {
            "version": {"const": 1},
            "made_at": {"type": "string", "format": "date-time"},
            "lists": {
                "type": "object",
                "properties": lists,
                "required": sorted(lists),
                "additionalProperties": False,
            },
        },
        "required": ["version", "made_at", "lists"],
        "additionalProperties": False,
    }


def _computed(name: str, fields: tuple[str, ...]) -> dict[str, Any]:
    kinds = {field: _kind(field) for field in fields}
    return {
        "type": "object",
        "description": DESCRIPTIONS[name],
        "properties": kinds,
        "required": list(fields),
        "additionalProperties": False,
    }


def _kind(field: str) -> dict[str, Any]:
    if field in OPTIONAL:
        return {"type": [OPTIONAL[field], "null"]}
    return {"type": "integer" if field.endswith("_micro") or field in INTEGERS else "string"}
