"""An object of each kind that the installed `stripe` package can describe, every field filled, decimal numbers too."""

import decimal
import functools
from importlib import import_module
from typing import Any, Literal, get_args, get_origin

from stripe._list_object import ListObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import StripeObject, UntypedStripeObject

from marketplace.demo.stripe_counterpart.stripe_types import Json, alternatives, fields_of

DEEPEST = 5
NOT_IN_EVENTS = ("list", "search_result", "event", "v2.core.event")


def fixtures() -> dict[str, Json]:
    """Return an object of each kind by its name: the JSON that Stripe sends."""
    return {
        kind: {**_object(getattr(import_module(module), name), 0), "object": kind}
        for kind, (module, name) in OBJECT_CLASSES.items()
        if kind not in NOT_IN_EVENTS
    }


def _object(resource: type, depth: int) -> Json:
    return {name: _value(hint, depth + 1) for name, hint in _fields(resource).items() if name != "deleted"}


@functools.cache
def _fields(resource: type) -> dict[str, Any]:
    return fields_of(resource)


def _value(hint: Any, depth: int) -> Any:  # noqa: PLR0911 (one return per kind of type)
    member = next((each for each in alternatives(hint) if each is not type(None)), None)
    origin, arguments = get_origin(member), get_args(member)
    if member is None or depth > DEEPEST:
        return None
    if origin is Literal:
        return arguments[0]
    if origin is list:
        return [_value(arguments[0], depth + 1)]
    if origin is ListObject:
        return {"object": "list", "data": [], "has_more": False, "url": "/"}
    if origin in (UntypedStripeObject, dict):
        return {"key": _value(arguments[-1], depth + 1)}
    if isinstance(member, type) and issubclass(member, StripeObject):
        return _object(member, depth)
    return {int: 1, bool: True, float: 0.5, decimal.Decimal: "12.345"}.get(member, "x")
