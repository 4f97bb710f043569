"""A basket beside the menu: what was seen is signed, each class of datasets is audited once, a refusal names what can be bought."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime as dt
import uuid
from typing import Any

import h3
import pytest

from marketplace import clock
from marketplace.baskets import actions
from marketplace.catalogue import actions as catalogue
from marketplace.catalogue import menu
from marketplace.catalogue.lengths import set_lengths
from marketplace.catalogue.queries import get_listing
from marketplace.database import execute
from marketplace.errors import Conflict
from tests.attacks.test_price_alike import PARTS, open_parts, promise
from tests.attacks.test_price_menus import DAY, make_level, make_span, sell
from tests.marketplace.baskets.test_baskets import make_payer
from tests.marketplace.catalogue.shop import open_shop
from tests.marketplace.datasets.builders import BANDS, ZONES
from tests.support.reads import fetch_value


async def latest(*codes: str) -> list[uuid.UUID]:
    return [(await get_listing(code)).latest for code in codes]


async def total_of(releases: list[uuid.UUID]) -> int:
    return sum(line.amount_minor for line in await actions.read_lines(releases))


def let_in(monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    """Let something happen on a connection of its own once an order's lines were checked, and before any is signed."""
    had = actions.list_had

    async def then(*args: Any, **named: Any) -> Any:
        await asyncio.create_task(meanwhile(), context=contextvars.Context())
        return await had(*args, **named)

    monkeypatch.setattr(actions, "list_had", then)


async def test_a_basket_whose_price_changes_while_it_is_ordered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a promise to contributors that begins between the check of what was seen and the signing."""
    await open_parts()
    partner, releases = await make_payer(), await latest("west", "east")
    total = await total_of(releases)
    let_in(monkeypatch, lambda: promise("west", 90, cents=3_000_000))
    with pytest.raises(Conflict, match="A price has changed since"):
        await actions.order(partner, releases, total_minor=total, basket=uuid.uuid4())
    assert not await fetch_value("SELECT count(*) FROM quote") + await fetch_value(
        "SELECT count(*) FROM purchase_order"
    )
    monkeypatch.undo()
    raised = await total_of(releases)
    assert raised > 3 * total
    await actions.order(partner, releases, total_minor=raised, basket=uuid.uuid4())
    assert await fetch_value("SELECT sum(net_minor)::bigint FROM purchase_order") == raised


async def test_a_basket_is_ordered_as_of_one_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day begins meanwhile, with another demand: what was seen before it is what is signed."""
    await open_parts()
    partner, releases = await make_payer(), await latest("west", "east")
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
        await actions.order(partner, releases, total_minor=total, basket=uuid.uuid4())
        assert await fetch_value("SELECT sum(net_minor)::bigint FROM purchase_order") == total
        assert await total_of(releases) > total


async def test_a_basket_of_what_compares_is_audited_once(monkeypatch: pytest.MonkeyPatch) -> None:
    await open_parts()
    partner, releases = await make_payer(), await latest("west", "east")
    audited, audit = [], menu.audit

    async def counted(dataset: str, *args: Any, **named: Any) -> None:
        audited.append(dataset)
        await audit(dataset, *args, **named)

    monkeypatch.setattr(menu, "audit", counted)
    await actions.order(partner, releases, total_minor=await total_of(releases), basket=uuid.uuid4())
    assert audited == ["east"]


FAR = {f"far{number}": sorted(h3.grid_ring(ZONES[0], 40 * number))[:6] for number in (1, 2)}


async def open_far() -> None:
    """Sell two dearer datasets elsewhere: what is ordered with both costs five percent less."""
    for code, zones in FAR.items():
        await open_shop(code, zones=zones)
        await catalogue.withdraw_offer(code)
        await make_span(code, len(zones), 0, 7)
        await sell(code, 9_000_000)


async def buy(partner: uuid.UUID, *codes: str, months: int = 0, reason: str = "") -> list[uuid.UUID]:
    releases = await latest(*codes)
    lines = await actions.read_lines(releases, months)
    total = sum(line.amount_minor for line in lines)
    await actions.order(
        partner,
        releases,
        total_minor=total,
        basket=uuid.uuid4(),
        months=months,
        terms=[one.terms for one in lines],
        reason=reason,
    )
    return releases


@pytest.mark.parametrize("months", [0, 24])
async def test_a_whole_is_ordered_with_its_parts(months: int) -> None:
    """The parts cost five percent less with it, and less than it: but nobody has them so who does not buy it, too."""
    await open_parts()
    await catalogue.define_terms("standard-2", months=24, lines_fr="Un\nDeux", lines_en="One\nTwo")
    for code in PARTS:
        await make_level((await get_listing(code)).latest, 1, len(PARTS[code]) * 7 * len(BANDS))
        await set_lengths(code, ["standard-2"] if months else [])
    partner = await make_payer()
    await buy(partner, *PARTS, months=months)
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 3
    await buy(partner, "west", "east", months=months, reason="Our other shop.")
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 5, "nor does it need another way to what it has"


async def test_parts_are_not_ordered_for_less_than_a_whole_that_is_not_among_them() -> None:
    """Nor by who bought the whole for a month alone. The refusal names what would be had, and with what."""
    await open_parts()
    await open_far()
    partner = await make_payer()
    await catalogue.define_terms("month-1", months=1, lines_fr="Un\nDeux", lines_en="One\nTwo")
    await set_lengths("city", ["month-1"])
    await buy(partner, "city", months=1)
    refusal = (
        r"^Not ordered: city .* costs .* EUR; with this basket, (east|west) .* would be as much, or nearly as much, for"
    )
    with pytest.raises(Conflict, match=refusal):
        await buy(partner, *FAR, "west", "east")
    await buy(partner, *FAR, "city", reason="For longer.")
    await buy(partner, *FAR, "west", "east", reason="Our other shop.")
