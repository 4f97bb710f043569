"""Lists: objects page by page, newest first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marketplace.demo.stripe_counterpart.errors import ApiError, no_such_object
from marketplace.demo.stripe_counterpart.responses import to_public
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

_DEFAULT_PAGE_SIZE, _MAX_PAGE_SIZE = 10, 100
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass
class Filter:
    """Conditions on the objects of a list, as SQL with its values."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def require(self, condition: str, *values: Any) -> None:  # noqa: ANN401  any SQLite value
        """Add a condition."""
        self.conditions.append(condition)
        self.values.extend(values)


def list_page(state: StripeState, kind: str, params: Json, url: str, wanted: Filter) -> Json:
    """Return one page of a list, newest first; `ending_before` pages backwards."""
    limit = params.get("limit", _DEFAULT_PAGE_SIZE)
    if not 1 <= limit <= _MAX_PAGE_SIZE:
        raise ApiError(
            400, f"Invalid integer: limit must be between 1 and {_MAX_PAGE_SIZE}", param="limit", executed=False
        )
    _require_created(wanted, params.get("created"))
    backwards = "ending_before" in params
    if "starting_after" in params:
        wanted.require("sequence < ?", _sequence(state, kind, params["starting_after"], "starting_after"))
    if backwards:
        wanted.require("sequence > ?", _sequence(state, kind, params["ending_before"], "ending_before"))
    where = " AND ".join(wanted.conditions or ["TRUE"]) + f" ORDER BY sequence {'ASC' if backwards else 'DESC'}"
    found = state.select(kind, where, tuple(wanted.values), limit=limit + 1)
    page = found[:limit]
    if backwards:
        page.reverse()
    return {"object": "list", "url": url, "has_more": len(found) > limit, "data": [to_public(each) for each in page]}


def equal_to(params: Json, columns: Mapping[str, str]) -> Filter:
    """Return a filter on fields that must equal parameters: parameter name → field name."""
    wanted = Filter()
    for name, column in columns.items():
        if name in params:
            wanted.require(f"json_extract(body, '$.{column}') = ?", params[name])
    return wanted


def _require_created(wanted: Filter, created: Json | int | None) -> None:
    if isinstance(created, int):
        created = {"gte": created, "lte": created}
    for name, moment in (created or {}).items():
        wanted.require(f"json_extract(body, '$.created') {_COMPARISONS[name]} ?", moment)


def _sequence(state: StripeState, kind: str, identifier: str, param: str) -> int:
    sequence = state.sequence_of(identifier)
    if sequence is None:
        raise no_such_object(kind, identifier, param)
    return sequence
