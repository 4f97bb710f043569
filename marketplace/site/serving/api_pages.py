"""The API's document as a page: every call with its parameters, its answers and a line to run.

The page is made from the document.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from litestar import Request, get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.settings import settings
from marketplace.core.web.i18n import gettext, language
from marketplace.core.web.pages import page
from marketplace.core.words import Words
from marketplace.people.identity.guards import expect
from marketplace.site.serving.api_document import completed, handlers_of

TITLES: Final = {
    "auctions": Words("Auctions"),
    "bids": Words("Bids"),
    "datasets": Words("Datasets"),
    "delivery": Words("Delivery"),
    "events": Words("Events"),
    "identity": Words("Identity"),
    "keys": Words("Keys"),
    "operator": Words("The operator’s own systems"),
    "population density": Words("Population density"),
    "previews": Words("Previews"),
    "purchases": Words("Purchases"),
    "quotes": Words("Quotes"),
    "subscriptions": Words("Subscriptions"),
    "trials": Words("Trials"),
}
"""The page's headings for the document's tags."""


class Field(Struct, frozen=True):
    """A parameter of a call, or a field of a body or an answer."""

    name: str
    kind: str
    where: str
    is_needed: bool


class Call(Struct, frozen=True):
    """One operation of the document."""

    method: str
    path: str
    about: str
    """Its description in the page's language."""
    needs_key: bool
    given: list[Field]
    answered: list[Field]
    example: str


@get("/docs/api", opt=expect("anyone"))
async def api_page(request: Request[Any, Any, Any]) -> Template:
    """Show every call of the API, by subject."""
    document = completed(request.app.openapi_schema.to_schema(), handlers_of(request.app))
    groups = calls_by_tag(document, settings().url)
    titled = {_title(tag): calls for tag, calls in groups.items()}
    return page("serving/api.html", groups=titled)


def _title(tag: str) -> str:
    """Return a tag's heading; an operator's own calls may have their own tag."""
    return TITLES[tag].filled(language.get(), {}) if tag in TITLES else tag


def calls_by_tag(document: dict[str, Any], site: str) -> dict[str, list[Call]]:
    """Return the calls of a completed document by tag, in the order of their paths."""
    groups: dict[str, list[Call]] = {}
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["api"])[0]
            groups.setdefault(tag, []).append(_call(document, site, path, method, operation))
    return dict(sorted(groups.items()))


def _call(document: dict[str, Any], site: str, path: str, method: str, operation: dict[str, Any]) -> Call:
    schemas = document["components"]["schemas"]
    given = [
        Field(one["name"], _kind(one["schema"]), one["in"], one.get("required", False))
        for one in operation.get("parameters", ())
    ]
    body = _content(operation.get("requestBody", {}))
    given += _fields(body, schemas, "body")
    answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    answered = _fields(_content(answers[0]) if answers else {}, schemas, "answer")
    needs_key = bool(operation.get("security"))
    words = [f"curl -X {method.upper()}"] if method != "get" else ["curl"]
    words += ['-H "Authorization: Bearer $KEY"'] if needs_key else []
    words += [f'-H "{one.name}: $(uuidgen)"' for one in given if one.where == "header" and one.is_needed]
    if body:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        words += ['-H "Content-Type: application/json"', f"-d '{json.dumps(example)}'"]
    filled = re.sub(r"\{(\w+)\}", lambda found: f"${found[1].upper()}", path)
    about = " ".join(gettext(" ".join(part.split())) for part in operation["description"].split("\n\n"))
    return Call(method.upper(), path, about, needs_key, given, answered, " ".join([*words, f'"{site}{filled}"']))


def _content(part: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a body or an answer; empty if it is not JSON."""
    content: dict[str, Any] = part.get("content", {}).get("application/json", {})
    found: dict[str, Any] = content.get("schema", {})
    return found


def _fields(schema: dict[str, Any], schemas: dict[str, Any], where: str) -> list[Field]:
    """Return the fields of an object; a reference is followed by its name."""
    whole = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    needed = whole.get("required", ())
    return [Field(name, _kind(of), where, name in needed) for name, of in whole.get("properties", {}).items()]


def _kind(schema: dict[str, Any]) -> str:
    """Return a value's type, or the name of its content."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "oneOf" in schema or "anyOf" in schema:
        return " / ".join(dict.fromkeys(_kind(one) for one in schema.get("oneOf") or schema["anyOf"]))
    kind = schema.get("type", "any")
    kind = " / ".join(kind) if isinstance(kind, list) else str(kind)
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or kind)


ROUTES = [api_page]
