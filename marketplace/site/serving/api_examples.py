"""Examples for the API's document: one for each body and answer, valid by its schema and the same in every build."""

from __future__ import annotations

from typing import Any, Final

from pricing.money import EUR

NAMED: Final[dict[str, Any]] = {
    "code": "lyon",
    "dataset": "lyon",
    "currency": EUR,
    "company": "Atelier Urbain",
    "number": "P-2026-000042",
    "terms": "standard-1",
    "zone": "871f90d28ffffff",
    "zones": "871f90d28ffffff\n871f90d2dffffff",
    "reason": "For our other shop",
    "evidence": "Zone 871f90d28ffffff is missing.",
    "cells_sha256": "0f343b0931126a20f133d67c2b018a3b1c5a1f0a8f6c1d9c0e6a3c3f5b1f2d4e",
    "iban": "FR7630006000011234567890189",
    "bic": "AGRIFRPP",
    "type": "about:blank",
    "status": 409,
    "title": "Conflict",
    "detail": "This release is no longer for sale.",
    "geohash": "u05kq4",
    "geohashes": ["u05kq4"],
    "latitude": 45.76,
    "longitude": 4.83,
}
"""The value of a field by its name, if its schema admits it."""
BY_FORMAT: Final = {
    "uuid": "7f0c1d8e-5b1a-4c55-9c3c-3b1d0a6f2e11",
    "date-time": "2026-03-02T00:00:00Z",
    "date": "2026-03-02",
    "binary": "",
}
CENTS: Final = 123_400
LARGEST_DEPTH: Final = 8


def example_of(  # noqa: PLR0911 (one a kind)
    schema: dict[str, Any], schemas: dict[str, Any], name: str = "", depth: int = 0
) -> Any:  # noqa: ANN401 (JSON)
    """Return a value that a schema of the document admits; `name` is its field's."""
    if reference := schema.get("$ref"):
        return example_of(schemas[reference.rpartition("/")[2]], schemas, name, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next(one for one in schema["enum"] if one is not None)
    for several in ("oneOf", "anyOf"):
        if several in schema and "properties" not in schema:
            inner = next(one for one in schema[several] if one.get("type") != "null")
            return example_of({**inner, **_limits(schema)}, schemas, name, depth)
    kind = schema.get("type", "object")
    kind = next(one for one in kind if one != "null") if isinstance(kind, list) else kind
    if kind == "object":
        return _object(schema, schemas, depth)
    if kind == "array":
        known = NAMED.get(name)
        return known if isinstance(known, list) else _list(schema, schemas, name, depth)
    if kind == "string":
        return _text(schema, name)
    if kind in {"integer", "number"}:
        return _number(schema, name)
    return kind == "boolean" or None


def _limits(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in {"oneOf", "anyOf"}}


def _object(schema: dict[str, Any], schemas: dict[str, Any], depth: int) -> dict[str, Any]:
    """Return an object with all its fields; of exclusive alternatives, the fields of the first."""
    absent = {
        name for one in schema.get("oneOf", ())[:1] for name, of in one.get("properties", {}).items() if "type" in of
    }
    fields = {} if depth > LARGEST_DEPTH else schema.get("properties", {})
    return {name: example_of(of, schemas, name, depth + 1) for name, of in fields.items() if name not in absent}


def _list(schema: dict[str, Any], schemas: dict[str, Any], name: str, depth: int) -> list[Any]:
    one = example_of(schema.get("items", {}), schemas, name, depth + 1)
    return [one] * max(schema.get("minItems", 1), 1)


def _text(schema: dict[str, Any], name: str) -> str:
    known = NAMED.get(name)
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    text = known if isinstance(known, str) else schema.get("default") or name or "text"
    return str(text)[: schema.get("maxLength", 200)]


def _number(schema: dict[str, Any], name: str) -> int | float:
    known = NAMED.get(name)
    value = known if isinstance(known, int | float) else CENTS if name.endswith("_minor") else schema.get("default", 1)
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    bounded: int | float = min(max(value, least), most)
    return bounded
