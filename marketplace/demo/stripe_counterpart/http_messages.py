"""HTTP messages: a request read whole, a response, and Stripe's nested forms."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.stripe_types import Json

MAX_BODY = 1_000_000
_NAMES_IN_KEY = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")


@dataclass(frozen=True)
class Request:
    """A request. headers: by lower-case name; base: scheme and host by which the caller reached us."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str

    def form(self) -> Json:
        """Return the parameters, from the body of a POST or the query of anything else."""
        try:
            text = self.body.decode() if self.method == "POST" else self.query
        except UnicodeDecodeError:
            raise ApiError(400, "The request body is not UTF-8 text.", executed=False) from None
        return decode_form(text)


@dataclass(frozen=True)
class Response:
    """A response."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def json_response(status: int, body: Json, headers: dict[str, str] | None = None) -> Response:
    """Return a response of JSON."""
    return Response(status, json.dumps(body, indent=2).encode(), headers=headers or {})


def decode_form(text: str) -> Json:
    """Decode `a[b][0]=x` into {"a": {"b": {"0": "x"}}}; `a[]=x` numbers itself."""
    tree: Json = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        names = _NAMES_IN_KEY.findall(key)
        if not names:
            raise ApiError(400, f"Invalid parameter name: {key!r}", executed=False)
        branch = tree
        for name in names[:-1]:
            branch = _branch(branch, name or str(len(branch)), key)
        branch[names[-1] or str(len(branch))] = value
    return tree


def _branch(parent: Json, name: str, key: str) -> Json:
    child: Any = parent.setdefault(name, {})
    if not isinstance(child, dict):
        raise ApiError(400, f"Invalid parameter: {key} is both a value and an object.", param=key, executed=False)
    return child
