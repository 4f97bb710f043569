"""Lists of the API: whole by their cursors, which are rows of one's own; and what each call answers is in the document."""

import datetime as dt
import uuid
from typing import Any

import httpx
import pytest

from marketplace.core import clock, paging
from marketplace.sales.auctions import queries as auctions
from marketplace.sales.subscriptions import queries as subscriptions
from marketplace.sales.subscriptions.tables import Subscription
from marketplace.site.app import create_app
from tests.api_client import read_document
from tests.sales.builders.auctions import make_bidder, open_auction
from tests.support.reads import fetch_value


@pytest.mark.long
async def test_lists_go_on_after_a_row_of_ones_own_and_after_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (paging, auctions, subscriptions):
        monkeypatch.setattr(module, "PAGE_SIZE", 1)
    late, soon, over = [await open_auction(seconds=seconds) for seconds in (9_000, 3_000, 0.1)]
    mine, rival = await make_bidder(), await make_bidder()
    dataset = await fetch_value("SELECT code FROM dataset LIMIT 1")
    made = [await _subscription(of.partner, str(dataset), days) for of, days in ((mine, 3), (mine, 1), (rival, 2))]
    transport = httpx.ASGITransport(create_app(manages_pool=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example", headers=mine.headers) as program:
        assert await _walk(program, "auctions") == [str(soon), str(late), str(over)]
        assert await _walk(program, "subscriptions") == [str(made[1]), str(made[0])]
        for path in ("auctions", "subscriptions", "orders", "entitlements", "invoices"):
            refused = await program.get(f"/api/v1/{path}", params={"after": str(uuid.uuid4())})
            assert refused.status_code == 404, path
            assert (await program.get(f"/api/v1/{path}?after=1")).status_code == 400, path
        another = await program.get("/api/v1/subscriptions", params={"after": str(made[2])})
        assert another.status_code == 404, "another's row says nothing, not even when it was made"


async def _walk(program: httpx.AsyncClient, name: str) -> list[str]:
    """Return the ids of a whole list, a row at a time."""
    found: list[str] = []
    more, after = True, dict[str, str]()
    while more:
        page = (await program.get(f"/api/v1/{name}", params=after)).json()
        assert len(page[name]) == 1
        found.append(page[name][0]["id"])
        more, after = page.get("more", page.get("has_more")), {"after": page["after"]}
        assert after == {"after": found[-1]}
    assert (await program.get(f"/api/v1/{name}", params=after)).json()[name] == []
    return found


async def _subscription(partner: uuid.UUID, dataset: str, days: int) -> uuid.UUID:
    began = clock.now() - dt.timedelta(days=days)
    ended: dict[str, Any] = {
        "state": "ended",
        "began_at": began,
        "ended_at": clock.now(),
        "after": began,
        "terms": "standard-1",
    }  # one each may be active
    row = Subscription(
        id=uuid.uuid4(), partner=partner, dataset=dataset, locked=b"", locked_minor=100, releases=4, **ended
    )
    await Subscription.insert(row)
    return uuid.UUID(str(row.id))


async def test_what_each_call_answers_is_in_the_document() -> None:
    document = await read_document()
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        if path.startswith("/api/v1/operator/"):
            continue
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/json") if status < "300" else None
                if content is None or path.endswith("/transcript"):
                    continue
                schema = content["schema"]
                named = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
                assert named.get("properties"), f"{method} {path} answers an object that nothing describes"
