"""Updates by a call: named fields replaced, metadata merged, and what changed told in an event."""

from collections.abc import Iterable

from marketplace.embedded.stripe_counterpart.contract import Json
from marketplace.embedded.stripe_counterpart.events import emit
from marketplace.embedded.stripe_counterpart.world import World


def update(world: World, target: Json, params: Json, names: Iterable[str], event_type: str | None) -> Json:
    """Replace the named fields that a call sends (an empty text clears one) and merge its metadata.

    event_type: the event that tells it; Stripe has none for some objects.
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
        target["metadata"] = merged_metadata(target["metadata"], params["metadata"])
    if event_type is not None:
        emit(world, event_type, target, previous=previous)
    return target


def merged_metadata(kept: Json, sent: Json | str) -> Json:
    """Merge metadata as Stripe does: an empty value removes its key, an empty text removes all."""
    if isinstance(sent, str):
        return {}
    return {key: value for key, value in {**kept, **sent}.items() if value != ""}
