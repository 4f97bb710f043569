"""Complete the API's OpenAPI document with what the framework cannot see: guards, refusals, rejected fields.

A client generated from it knows keys and problem details (RFC 9457), and sends no field that we refuse.
"""

from __future__ import annotations

import copy
import inspect
import re
from typing import TYPE_CHECKING, Any, Final

from litestar.openapi.plugins import JsonRenderPlugin
from msgspec.inspect import StructType, type_info

from marketplace.site.serving.api_examples import example_of

if TYPE_CHECKING:
    from litestar import Litestar, Request
    from litestar.handlers import HTTPRouteHandler

PREFIX: Final = "/api/"
KEY: Final = "key"
LARGEST: Final = 2**63 - 1
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457), in a sentence; the language is that of Accept-Language.",
    "required": ["type", "title", "status", "detail", "request"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request": {"type": "string", "description": "The id under which our log has this request."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
REFUSED: Final[dict[str, Any]] = {
    "description": "Refused, with the reason.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
REASONS: Final = {
    400: "Malformed: the sentence names the fields.",
    401: "No key, or one that is over, revoked or unknown.",
    403: "The key may not do that, or the company is not vetted yet.",
    404: "There is no such thing, or it is somebody else’s.",
    409: "It contradicts what is recorded; the sentence says what.",
    410: "Its time has passed.",
    413: "Larger than a megabyte.",
    415: "Another kind of content than JSON.",
    422: "A value is out of its range, or a parameter is unknown.",
    429: "Too many requests: wait as many seconds as Retry-After says.",
    500: "A failure of ours; nothing was half-done.",
    503: "Something needed does not answer; try again in a moment.",
}
LIMIT_HEADERS: Final = {
    "RateLimit": {
        "description": "What may still be asked, and until all of it is there again, in seconds, where there is a limit.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {"description": "How much may be asked in how many seconds.", "schema": {"type": "string"}},
}
ANY_KEY: Final = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[!-~]+$"}
UUID_KEY: Final = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
"""Without `format`: generated clients would put an object into the header, which is text."""
ONE_OF: Final = {"BidRequest": ("maximum_minor", "amount_minor", "packages")}
"""Bodies that need exactly one of these fields."""
SCHEMES: Final = {
    KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "A partner’s API key; for the operator’s own systems, a key of `marketplace operator-key`.",
    }
}


class ApiDocument(JsonRenderPlugin):
    """Renders the document, completed from the routes' own statements."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the document as JSON."""
        return super().render(request, completed(openapi_schema, handlers_of(request.app)))


def handlers_of(app: Litestar) -> dict[tuple[str, str], HTTPRouteHandler]:
    """Return the site's handlers by method and path."""
    return {
        (method.lower(), route.path_format): handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        for method in handler.http_methods
    }


def completed(document: dict[str, Any], handlers: dict[tuple[str, str], HTTPRouteHandler]) -> dict[str, Any]:
    """Return the document with keys, refusals and closed bodies; handlers are by method and path."""
    document = copy.deepcopy(document)
    document["paths"] = {path: of for path, of in document["paths"].items() if path.startswith(PREFIX)}
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    document["components"]["securitySchemes"] = SCHEMES
    _state_whole_limits(schemas)
    for path, operations in document["paths"].items():
        operations.pop("head", None)  # like GET, without its body
        for method, operation in operations.items():
            handler = handlers[method, path]
            _name(operation, handler, path)
            if "anyone" not in handler.opt["expectation"].who:
                operation["security"] = [{KEY: []}]
            _state_refusals(operation, handler, path)
            operation.setdefault("parameters", []).extend(handler.opt.get("parameters", ()))
            for parameter in operation["parameters"]:
                _state_key_of_repeats(parameter)
            if media_types := handler.opt.get("files"):
                operation["responses"]["200"]["content"] = {name: {"schema": _file(name)} for name in media_types}
            if "requestBody" in operation:
                _close(handler.parsed_fn_signature.parameters["data"].annotation, schemas)
            _give_examples(operation, schemas)
    return document


def _state_refusals(operation: dict[str, Any], handler: HTTPRouteHandler, path: str) -> None:
    """State each status of a refusal, and the caller's remaining requests."""
    answers, refused = operation["responses"], handler.opt.get("refused", REFUSED)
    answers.pop("400", None)
    needs_key = "anyone" not in handler.opt["expectation"].who
    writes = not handler.http_methods <= {"GET", "HEAD", "OPTIONS"}
    found = [400, 422, 429, 500, 503]
    found += [401, 403] if needs_key else []
    found += [404] if "{" in path or writes else []
    found += [409, 410, 413, 415] if writes else []
    found += [410] if "files" in handler.opt else []
    for status in sorted(set(found)):
        answers[str(status)] = refused | {"description": REASONS[status]}
    answers["4XX"] = refused
    for answer in answers.values():
        answer["headers"] = {**answer.get("headers", {}), **LIMIT_HEADERS}


def _give_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Give an example of the body and of each answer that is JSON."""
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        for media_type, content in part.get("content", {}).items():
            if media_type in {"application/json", "application/problem+json"}:
                content["example"] = example_of(content["schema"], schemas)


def _name(operation: dict[str, Any], handler: HTTPRouteHandler, path: str) -> None:
    """Name an operation by its function, describe it by its docstring, and group it by its subject."""
    operation["operationId"] = handler.handler_name.rpartition(".")[2]
    operation["description"] = inspect.getdoc(handler.fn) or ""
    operation["summary"] = re.split(r"[.;]\s|\.$", operation["description"], maxsplit=1)[0]
    operation.setdefault("tags", [path.split("/")[3]])


def _file(media_type: str) -> dict[str, Any]:
    """Return the schema of a file: text, a document of JSON, or bytes."""
    if media_type.endswith("json"):
        return {"type": "object"}
    return {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}


def _state_whole_limits(part: Any) -> None:  # noqa: ANN401 (JSON)
    """Write the limits of whole numbers as whole numbers: the framework rounds the largest ones up."""
    if isinstance(part, list):
        for one in part:
            _state_whole_limits(one)
    elif isinstance(part, dict):
        for name in {"maximum", "minimum"} & part.keys():
            if isinstance(part[name], float) and part.get("type") == "integer":
                part[name] = max(-LARGEST - 1, min(LARGEST, int(part[name])))
        for one in part.values():
            _state_whole_limits(one)


def _state_key_of_repeats(parameter: dict[str, Any]) -> None:
    """State that the header that makes a repeat harmless is required and not blank."""
    if parameter["name"] == "Idempotency-Key":
        parameter["required"] = True
        is_id = "uuid" in str(parameter["schema"])
        parameter["schema"] = dict(UUID_KEY if is_id else ANY_KEY)


def _exactly_one(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the alternatives: one of the fields is there, and the others are absent or null."""
    absent = {"type": "null"}
    return [
        {
            "required": [name],
            "properties": {other: {"not": absent} if other == name else absent for other in names},
        }
        for name in names
    ]


def _close(kind: Any, schemas: dict[str, Any]) -> None:  # noqa: ANN401 (any type that is read)
    """State that a body, and everything in it, has no other fields, if we refuse them."""
    seen = [type_info(kind)]
    while seen:
        one = seen.pop()
        if isinstance(one, StructType):
            if one.forbid_unknown_fields and one.cls.__name__ in schemas:
                schemas[one.cls.__name__]["additionalProperties"] = False
            if one.cls.__name__ in ONE_OF:
                schemas[one.cls.__name__]["oneOf"] = _exactly_one(ONE_OF[one.cls.__name__])
            seen += [field.type for field in one.fields]
        else:
            seen += [of for of in (getattr(one, "item_type", None), *getattr(one, "types", ())) if of is not None]
