"""Updates by a call: named fields replaced, metadata merged, and an event emitted."""

from collections.abc import Iterable

from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json


def update(state: StripeState, target: Json, params: Json, names: Iterable[str], event_type: str | None) -> Json:
    """Replace the named fields that a call sends (an empty text clears one) and merge its metadata.

    event_type: the event to emit; Stripe has none for some objects.
    """
    previous = {}
    for name in names:
        if name in params:
            value = None if params[name] == "" else params[name]
            if target[name] != value:
                previous[name] = target[name]
            target[name] = value
    if "metadata" in params:
        previous["metadata"] = target["metadata"]
        target["metadata"] = merge_metadata(target["metadata"], params["metadata"])
    if event_type is not None:
        emit(state, event_type, target, previous=previous)
    return target


def merge_metadata(stored: Json, sent: Json | str) -> Json:
    """Merge metadata as Stripe does: an empty value removes its key, an empty text removes all."""
    if isinstance(sent, str):
        return {}
    return {key: value for key, value in {**stored, **sent}.items() if value != ""}
