"""Expansion: ids in an answer replaced by the objects that they name, as `expand` asks."""

from marketplace.demo.stripe_counterpart.checkout import lines_of
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.responses import to_public
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

_MAX_DEPTH = 4


def expand(state: StripeState, answer: Json, path: str) -> None:
    """Replace the id at a dotted path by the object it names; `data.` descends into every object of a list."""
    head, _, rest = path.partition(".")
    if path.count(".") >= _MAX_DEPTH:
        raise ApiError(400, f"You cannot expand more than {_MAX_DEPTH} levels of a property ({path}).")
    if head == "line_items" and answer.get("object") == "checkout.session":
        url = f"/v1/checkout/sessions/{answer['id']}/line_items"
        lines = [to_public(line) for line in lines_of(state, answer)]
        answer["line_items"] = {"object": "list", "data": lines, "has_more": False, "url": url}
        return
    if head not in answer:
        raise ApiError(400, f"This property cannot be expanded ({head}).", param="expand", executed=False)
    value = answer[head]
    if isinstance(value, str) and (named := state.find(value)) is not None:
        value = answer[head] = to_public(named)
    if not isinstance(value, dict | list | None):
        raise ApiError(400, f"This property cannot be expanded ({head}).", param="expand", executed=False)
    if not rest or value is None:
        return
    for each in value if isinstance(value, list) else [value]:
        expand(state, each, rest)
