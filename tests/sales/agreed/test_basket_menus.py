"""A basket beside the menu: what was seen is signed, each class of datasets is audited once, a refusal names what can be bought."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime as dt
import uuid
from typing import Any

import pytest

from marketplace.catalogue.offers import menu
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.sales.agreed import basket_actions
from tests.catalogue.builders import DAY, PARTS, latest_releases, open_parts, promise_contributors
from tests.sales.builders.shop import make_payer
from tests.support.reads import fetch_value


async def total_of(releases: list[uuid.UUID]) -> int:
    return sum(line.amount_minor for line in await basket_actions.read_lines(releases))


def let_in(monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    """Let something happen on a connection of its own once an order's lines were checked, and before any is signed."""
    had = basket_actions.list_had

    async def then(*args: Any, **named: Any) -> Any:
        await asyncio.create_task(meanwhile(), context=contextvars.Context())
        return await had(*args, **named)

    monkeypatch.setattr(basket_actions, "list_had", then)


async def test_a_basket_whose_price_changes_while_it_is_ordered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a promise to contributors that begins between the check of what was seen and the signing."""
    await open_parts()
    partner, releases = await make_payer(), await latest_releases("west", "east")
    total = await total_of(releases)
    let_in(monkeypatch, lambda: promise_contributors("west", 90, cents=3_000_000))
    with pytest.raises(Conflict, match="A price has changed since"):
        await basket_actions.order(partner, releases, total_minor=total, basket=uuid.uuid4())
    assert not await fetch_value("SELECT count(*) FROM quote") + await fetch_value(
        "SELECT count(*) FROM purchase_order"
    )
    monkeypatch.undo()
    raised = await total_of(releases)
    assert raised > 3 * total
    await basket_actions.order(partner, releases, total_minor=raised, basket=uuid.uuid4())
    assert await fetch_value("SELECT sum(net_minor)::bigint FROM purchase_order") == raised


async def test_a_basket_is_ordered_as_of_one_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day begins meanwhile, with another demand: what was seen before it is what is signed."""
    await open_parts()
    partner, releases = await make_payer(), await latest_releases("west", "east")
    minutes = dt.timedelta(minutes=5)
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    with clock.started_at(midnight - minutes), contextlib.ExitStack() as stack:
        total = await total_of(releases)

        async def begin_day() -> None:
            await execute(
                """INSERT INTO demand_draw (id, offer, day, demand_basis_points, drawn_at, sales, days, bids)
                   SELECT gen_random_uuid(), id, $1, 12000, $2, 0, 0, 0 FROM offer""",
                midnight.date(),
                midnight,
            )
            stack.enter_context(clock.shifted(2 * minutes))

        let_in(monkeypatch, begin_day)
        await basket_actions.order(partner, releases, total_minor=total, basket=uuid.uuid4())
        assert await fetch_value("SELECT sum(net_minor)::bigint FROM purchase_order") == total
        assert await total_of(releases) > total


async def test_a_basket_of_what_compares_is_audited_once(monkeypatch: pytest.MonkeyPatch) -> None:
    await open_parts()
    partner, releases = await make_payer(), await latest_releases("west", "east")
    audited, audit = [], menu.audit

    async def counted(dataset: str, *args: Any, **named: Any) -> None:
        audited.append(dataset)
        await audit(dataset, *args, **named)

    monkeypatch.setattr(menu, "audit", counted)
    await basket_actions.order(partner, releases, total_minor=await total_of(releases), basket=uuid.uuid4())
    assert audited == ["east"]


async def test_a_whole_excuses_no_cheaper_parts() -> None:
    """Each line is charged by itself: who pays for the parts alone would have the whole by them for less."""
    await open_parts()
    partner, releases = await make_payer(), await latest_releases(*PARTS)
    total = await total_of(releases)
    refusal = (
        r"^Not ordered: city .* costs .*; with this basket, (east|west) .* would be as much, or nearly as much, for .*"
    )
    with pytest.raises(Conflict, match=refusal):
        await basket_actions.order(partner, releases, total_minor=total, basket=uuid.uuid4())
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 0
