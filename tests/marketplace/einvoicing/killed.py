"""The scene of documents on their way for `tests.support.dying`: each death is of another sale's."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import httpx
import pyarrow.dataset  # noqa: F401 (once here, or for a second in every child)

from marketplace.bank.candidates import settle_line
from marketplace.einvoicing.actions import exchange_einvoices
from marketplace.invariants import broken
from marketplace.settings import settings
from tests.marketplace.credit.test_credit import banked
from tests.marketplace.einvoicing.travelling import sell, states, work
from tests.marketplace.identity.site import make_staff
from tests.support.dying import Scene
from tests.support.reads import fetch_value


async def make_sale(_: str) -> None:
    """Sell a licence, so that an invoice and its 212 have to leave."""
    await sell()


async def exchange(_: str) -> None:
    """Let the job run once."""
    await exchange_einvoices()


async def check_sent_once(_: str) -> None:
    """Let the job run until nothing is left; everything that had to leave is at the platform once, under its number."""
    await work()
    assert set((await states()).values()) == {"deposited"}
    assert not await fetch_value("SELECT count(*) FROM einvoicing_flow WHERE state IN ('pending', 'refused')")
    async with httpx.AsyncClient() as client:
        question = {"where": {"flowDirection": ["Out"]}, "limit": 100_000}
        found = await client.post(f"{settings().einvoicing_flow_url}/v1/flows/search", json=question)
    names = Counter(flow["name"] for flow in found.json()["results"])
    assert set(names.values()) == {1}, names
    assert len(names) == 2 * len(await states())


async def sell_in_parts(_: str) -> None:
    """Sell a licence on credit, paid in two parts."""
    order, ada = await sell(on_credit=True), await make_staff("Ada")
    for amount in (3_333, 8_667):
        [line] = await banked(amount)
        await settle_line(line, [("order", str(order), amount)], ada)


async def check_parts_said_once(_: str) -> None:
    """Let the job run until nothing is left; every payment is said once, and no invoice is said whole."""
    await work()
    assert not await fetch_value("SELECT count(*) FROM einvoicing_flow WHERE state IN ('pending', 'refused')")
    async with httpx.AsyncClient() as client:
        question = {"where": {"flowDirection": ["Out"]}, "limit": 100_000}
        found = await client.post(f"{settings().einvoicing_flow_url}/v1/flows/search", json=question)
    names = Counter(flow["name"] for flow in found.json()["results"])
    assert set(names.values()) == {1}, names
    assert len(names) == 3 * len(await states())


async def check_whole() -> None:
    """Every invariant holds."""
    assert await broken() == []


SCENES = {
    "parts": Scene(
        sell_in_parts,
        exchange,
        check_parts_said_once,
        ("einvoicing/actions.py", "einvoicing/parts.py", "einvoicing/reporting.py"),
        whole=check_whole,
        apart=dt.timedelta(minutes=5),
    ),
    "exchange": Scene(
        make_sale,
        exchange,
        check_sent_once,
        ("einvoicing/actions.py", "einvoicing/platform.py", "einvoicing/reporting.py"),
        whole=check_whole,
        apart=dt.timedelta(minutes=5),
    ),
}
