"""How objects are read: lists page by page, newest first, and ids expanded into the objects they name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marketplace.embedded.stripe_counterpart.checkout import lines_of
from marketplace.embedded.stripe_counterpart.contract import Json, shown
from marketplace.embedded.stripe_counterpart.refusals import Refused, missing
from marketplace.embedded.stripe_counterpart.world import World

_DEFAULT_PAGE, _LARGEST_PAGE = 10, 100
_DEEPEST_EXPANSION = 4
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass
class Filter:
    """Conditions on the objects of a list, as SQL with its values."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def require(self, condition: str, *values: Any) -> None:  # noqa: ANN401  whatever SQLite takes
        """Add a condition."""
        self.conditions.append(condition)
        self.values.extend(values)


def list_page(world: World, kind: str, params: Json, url: str, wanted: Filter) -> Json:
    """Return one page of a list, newest first unless it is read backwards from an object."""
    limit = params.get("limit", _DEFAULT_PAGE)
    if not 1 <= limit <= _LARGEST_PAGE:
        raise Refused(
            400, f"Invalid integer: limit must be between 1 and {_LARGEST_PAGE}", param="limit", executed=False
        )
    _require_created(wanted, params.get("created"))
    backwards = "ending_before" in params
    if "starting_after" in params:
        wanted.require("sequence < ?", _sequence(world, kind, params["starting_after"], "starting_after"))
    if backwards:
        wanted.require("sequence > ?", _sequence(world, kind, params["ending_before"], "ending_before"))
    where = " AND ".join(wanted.conditions or ["TRUE"]) + f" ORDER BY sequence {'ASC' if backwards else 'DESC'}"
    found = world.select(kind, where, tuple(wanted.values), limit=limit + 1)
    page = found[:limit]
    if backwards:
        page.reverse()
    return {"object": "list", "url": url, "has_more": len(found) > limit, "data": [shown(each) for each in page]}


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


def _sequence(world: World, kind: str, identifier: str, param: str) -> int:
    sequence = world.sequence_of(identifier)
    if sequence is None:
        raise missing(kind, identifier, param)
    return sequence


def expand(world: World, answer: Json, path: str) -> None:
    """Replace the id at a dotted path by the object it names; `data.` goes into every object of a list."""
    head, _, rest = path.partition(".")
    if path.count(".") >= _DEEPEST_EXPANSION:
        raise Refused(400, f"You cannot expand more than {_DEEPEST_EXPANSION} levels of a property ({path}).")
    if head == "line_items" and answer.get("object") == "checkout.session":
        url = f"/v1/checkout/sessions/{answer['id']}/line_items"
        lines = [shown(line) for line in lines_of(world, answer)]
        answer["line_items"] = {"object": "list", "data": lines, "has_more": False, "url": url}
        return
    if head not in answer:
        raise Refused(400, f"This property cannot be expanded ({head}).", param="expand", executed=False)
    value = answer[head]
    if isinstance(value, str) and (named := world.find(value)) is not None:
        value = answer[head] = shown(named)
    if not isinstance(value, dict | list | None):
        raise Refused(400, f"This property cannot be expanded ({head}).", param="expand", executed=False)
    if not rest or value is None:
        return
    for each in value if isinstance(value, list) else [value]:
        expand(world, each, rest)
