"""Webhook endpoints: where events are delivered, and the secret that signs them, shown once."""

from urllib.parse import urlsplit

from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.state import StripeState
from marketplace.demo.stripe_counterpart.stripe_types import API_VERSION, Json
from marketplace.demo.stripe_counterpart.updates import merge_metadata

_MAX_ENDPOINTS = 16


def create_endpoint(state: StripeState, params: Json) -> Json:
    """Register an address for some event types, or `*` for all. Only this answer shows the secret."""
    if len(state.select("webhook_endpoint")) >= _MAX_ENDPOINTS:
        raise ApiError(400, f"You have reached the maximum of {_MAX_ENDPOINTS} test webhook endpoints.")
    endpoint = state.add(
        "webhook_endpoint",
        api_version=params.get("api_version", API_VERSION),
        description=params.get("description") or None,
        enabled_events=params["enabled_events"],
        metadata=merge_metadata({}, params.get("metadata", {})),
        status="enabled",
        url=_checked_url(params["url"]),
        _secret=f"whsec_{state.new_token(32)}",
    )
    return {**endpoint, "secret": endpoint["_secret"]}


def update_endpoint(endpoint: Json, params: Json) -> Json:
    """Update an endpoint's address, event types or description, or disable and enable it."""
    if "url" in params:
        endpoint["url"] = _checked_url(params["url"])
    if "enabled_events" in params:
        endpoint["enabled_events"] = params["enabled_events"]
    if "description" in params:
        endpoint["description"] = params["description"] or None
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    endpoint["metadata"] = merge_metadata(endpoint["metadata"], params.get("metadata", {}))
    return endpoint


def delete_endpoint(state: StripeState, endpoint: Json) -> Json:
    """Delete an endpoint and its pending deliveries."""
    state.execute("DELETE FROM delivery WHERE endpoint = ? AND outcome IS NULL", (endpoint["id"],))
    state.remove(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _checked_url(url: str) -> str:
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ApiError(
            400, "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )
    return url
