"""One of the operator's systems, with a key of its own, which speaks to the API."""

import datetime as dt
import uuid
from typing import Any

import httpx

from marketplace.core.database import execute
from marketplace.subscribers.operators import actions
from tests.consent.builders import explain_purpose
from tests.people.builders import Browser

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


API = "/api/v1/operator"


async def system(*scopes: str) -> Browser:
    """Return one of the operator's systems, with a key of its own, and what there is to ask about."""
    await explain_purpose(T0, notice=uuid.UUID(int=9))
    await execute("INSERT INTO subscriber (reference) VALUES (7), (8) ON CONFLICT DO NOTHING")
    browser = Browser()
    browser.client.headers["authorization"] = f"Bearer {await actions.add_key('shops', scopes)}"
    return browser


async def put_as_shop(shop: Browser, path: str, data: dict[str, Any]) -> httpx.Response:
    return await shop.client.put(f"{API}/{path}", json=data)
