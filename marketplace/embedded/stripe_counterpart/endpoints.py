"""Webhook endpoints: where events are owed, and the secret that signs them, shown once."""

from urllib.parse import urlsplit

from marketplace.embedded.stripe_counterpart.changes import merged_metadata
from marketplace.embedded.stripe_counterpart.contract import Json
from marketplace.embedded.stripe_counterpart.refusals import Refused
from marketplace.embedded.stripe_counterpart.shapes import API_VERSION
from marketplace.embedded.stripe_counterpart.world import World

_LARGEST_NUMBER = 16


def create_endpoint(world: World, params: Json) -> Json:
    """Register an address for some types of event, or `*` for all; this answer alone shows its secret."""
    if len(world.select("webhook_endpoint")) >= _LARGEST_NUMBER:
        raise Refused(400, f"You have reached the maximum of {_LARGEST_NUMBER} test webhook endpoints.")
    endpoint = world.add(
        "webhook_endpoint",
        api_version=params.get("api_version", API_VERSION),
        description=params.get("description") or None,
        enabled_events=params["enabled_events"],
        metadata=merged_metadata({}, params.get("metadata", {})),
        status="enabled",
        url=_checked_url(params["url"]),
        _secret=f"whsec_{world.new_token(32)}",
    )
    return {**endpoint, "secret": endpoint["_secret"]}


def update_endpoint(endpoint: Json, params: Json) -> Json:
    """Change an endpoint's address, types or description, or switch it off and on."""
    if "url" in params:
        endpoint["url"] = _checked_url(params["url"])
    if "enabled_events" in params:
        endpoint["enabled_events"] = params["enabled_events"]
    if "description" in params:
        endpoint["description"] = params["description"] or None
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    endpoint["metadata"] = merged_metadata(endpoint["metadata"], params.get("metadata", {}))
    return endpoint


def delete_endpoint(world: World, endpoint: Json) -> Json:
    """Forget an endpoint and what is still owed to it."""
    world.query("DELETE FROM delivery WHERE endpoint = ? AND outcome IS NULL", (endpoint["id"],))
    world.remove(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _checked_url(url: str) -> str:
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise Refused(
            400, "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )
    return url
