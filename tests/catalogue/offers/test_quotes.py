"""Quotes: the same inputs give the same price, nothing can be changed afterwards, and nobody sees another's."""

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from marketplace.catalogue.offers import actions, queries, rules
from marketplace.catalogue.offers.signed_quotes import recompute
from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.core.signing import public_key, sign
from marketplace.sales.auctions import queries as auctions
from pricing.order import Priced, price
from pricing.sheet import Law, Points, Span
from tests.catalogue.builders import (
    last_midnight,
    make_vetted_partner,
    open_catalogue,
    promise_contributors,
    seal_week,
)
from tests.people.builders import Browser, make_partner, page_text
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.waiting import until_blocked

SECRET = "11" * 32
KEY = public_key(SECRET).hex()
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
NOBODY, THING = uuid.UUID(int=1), uuid.UUID(int=2)
RELEASE = rules.PricedRelease(
    id=THING,
    dataset="lyon",
    state="sealed",
    period_from=NOW - dt.timedelta(days=10),
    period_to=NOW - dt.timedelta(days=3),
    latest_event_at=NOW - dt.timedelta(days=3),
    key_count=700,
    row_count=560,
    consenting=8_000,
    population=13_000,
    noise_variance_micro=9_000_000,
    consenting_by_band=[3_000, 5_000],
    population_by_band=[5_500, 7_500],
    hours_by_day=[7 * 24],
    published_by_day=[560],
)
RATES = {
    "worth_micro": 10**6,
    "half_life_hours": 30 * 24,
    "rights": dict(rules.RIGHTS),
    "purposes": {"ScientificResearch": 4_000},
}
OFFER = rules.PricedOffer(
    id=THING,
    dataset="lyon",
    terms="standard-1",
    usage_right="publish",
    months=12,
    currency="EUR",
    sheet="sheet-lyon",
    sha256="ab" * 32,
    rates=json.dumps(RATES),
    groups=["all"],
    demand_basis_points=10_000,
)
LAW = Law(currency="EUR", volume=((0, 10_000), (50_000, 5_000)), least_minor=100)


def week_ended_ago(seconds_ago: int) -> dict[str, dt.datetime]:
    """Return when a week is that ended some time ago."""
    end = NOW - dt.timedelta(seconds=seconds_ago)
    return {"period_from": end - dt.timedelta(days=7), "period_to": end, "latest_event_at": end}


def points_until(end: dt.datetime, points: int = 50_000) -> Points:
    """Return the points of a week of data that ended at the last full hour before an instant."""
    hour = int(end.timestamp()) // 3_600
    each = 24 * 7 * points
    return Points((Span(hour - 7 * 24, hour, "all", points),), (2 * each, each + 9, each + 6, each + 3, each))


def signed_quote(priced: Priced) -> tuple[bytes, bytes]:
    document = rules.write_document(
        NOBODY,
        partner=NOBODY,
        release=THING,
        offer=THING,
        priced=priced,
        quoted_at=NOW,
        expires_at=NOW + rules.QUOTE_LASTS,
    )
    return document, sign(document, SECRET)


def priced_of(release: rules.PricedRelease = RELEASE, *, points: int = 50_000, law: Law = LAW, **offer: Any) -> Priced:
    """Return the price of a release under an offer, at NOW."""
    lot = rules.lot_of(release, replace(OFFER, **offer), points_until(release.period_to, points), NOW)
    return price(law, [lot])


@given(
    points=st.integers(1, 10**7),
    age=st.integers(0, 3 * 10**8),
    worth=st.integers(1, 10**9),
    least=st.integers(1, 10**6),
    demand=st.sampled_from(rules.DEMAND_GRID),
    half_life=st.integers(1, 4000),
    months=st.integers(1, 120),
)
def test_a_quote_recomputes_to_itself(
    *, points: int, age: int, worth: int, least: int, demand: int, half_life: int, months: int
) -> None:
    release = replace(RELEASE, **week_ended_ago(age))
    rates = json.dumps(RATES | {"worth_micro": worth, "half_life_hours": 24 * half_life})
    law = Law(currency="EUR", volume=LAW.volume, least_minor=least)
    priced = priced_of(release, points=points, law=law, demand_basis_points=demand, rates=rates, months=months)
    document, signature = signed_quote(priced)
    again = rules.recompute(document, signature, KEY)
    assert again == priced
    assert again.amount_minor == sum(step.amount_minor for step in again.waterfall) >= least
    assert signed_quote(priced) == (document, signature)


@given(data=st.data())
def test_no_byte_of_a_quote_can_be_changed(data: st.DataObject) -> None:
    document, signature = signed_quote(priced_of())
    place = data.draw(st.integers(0, len(document) + len(signature) - 1))
    flip = data.draw(st.integers(1, 255))
    forged = bytearray(document + signature)
    forged[place] ^= flip
    with pytest.raises(Invalid):
        rules.recompute(bytes(forged[: len(document)]), bytes(forged[len(document) :]), KEY)


@pytest.mark.parametrize("cut", [b"", b"{}", b"null", b"[]", b'{"price":1}', b'{"price":{"inputs":{}}}', b"\xff"])
def test_what_is_signed_but_no_quote_is_refused(cut: bytes) -> None:
    with pytest.raises(Invalid):
        rules.recompute(cut, sign(cut, SECRET), KEY)


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, public_key("22" * 32).hex()])
def test_another_key_does_not_check(key: str) -> None:
    document, signature = signed_quote(priced_of())
    with pytest.raises(Invalid):
        rules.verify(document, signature, key)


def test_a_price_signed_by_us_that_its_inputs_do_not_give_is_refused() -> None:
    document, _ = signed_quote(priced_of())
    stated = json.loads(document)
    stated["price"]["amount_minor"] -= 1
    dearer = json.dumps(stated, separators=(",", ":"), sort_keys=True).encode()
    with pytest.raises(Invalid, match="does not say"):
        rules.recompute(dearer, sign(dearer, SECRET), KEY)


@pytest.mark.parametrize("lacking", [{"state": "noised"}, {"state": "refused"}, {"row_count": 0}])
def test_nothing_is_sold_without_people_or_a_seal(lacking: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match="not for sale"):
        priced_of(replace(RELEASE, **lacking))


def test_nothing_is_sold_without_points_on_the_sheet() -> None:
    with pytest.raises(Conflict, match="not for sale"):
        rules.lot_of(RELEASE, OFFER, None, NOW)


def test_prices_fall_with_age_and_rise_with_points() -> None:
    ages = [priced_of(replace(RELEASE, **week_ended_ago(86_400 * days))).amount_minor for days in (0, 7, 30, 4_000)]
    assert ages == sorted(set(ages), reverse=True)
    assert ages[-1] == LAW.least_minor
    assert priced_of(points=60_000).amount_minor > priced_of().amount_minor
    assert priced_of(months=24).amount_minor > priced_of().amount_minor


async def test_a_quote_is_one_row_whatever_the_clicks_and_is_only_its_partners() -> None:
    await open_catalogue()
    release, other = await seal_week(), await seal_week(weeks_ago=1)
    ours, theirs = await make_vetted_partner(), await make_vetted_partner("other@rival.example", "Rival")
    quote = uuid.uuid4()
    again = await asyncio.gather(*(actions.quote(ours, release, quote_id=quote) for _ in range(8)))
    assert set(again) == {quote}
    assert await fetch_value("SELECT count(*) FROM quote") == 1
    row = await queries.get_quote(quote, ours)
    assert row.expires_at - row.quoted_at == dt.timedelta(minutes=15)
    priced = recompute(row)
    assert priced.amount_minor == row.amount_minor
    assert set(priced.lots[0].terms.demand.values()) == {rules.NEUTRAL_BASIS_POINTS}
    with pytest.raises(NotFound):
        await queries.get_quote(quote, theirs)
    with pytest.raises(Conflict):
        await actions.quote(theirs, release, quote_id=quote)
    with pytest.raises(Conflict):
        await actions.quote(ours, other, quote_id=quote)
    with pytest.raises(NotFound):
        await actions.quote(ours, uuid.uuid4(), quote_id=uuid.uuid4())
    with clock.shifted(dt.timedelta(minutes=15)):
        assert (await queries.get_quote(quote, ours)).is_expired


async def test_a_row_that_left_its_document_is_refused() -> None:
    await open_catalogue()
    release, partner = await seal_week(), await make_vetted_partner()
    quote = await actions.quote(partner, release, quote_id=uuid.uuid4())
    row = await queries.get_quote(quote, partner)
    for name, value in (
        ("amount_minor", row.amount_minor - 1),
        ("partner", uuid.uuid4()),
        ("release", uuid.uuid4()),
        ("id", uuid.uuid4()),
        ("expires_at", row.expires_at + dt.timedelta(hours=1)),
        ("document", row.document.replace(b"EUR", b"USD")),
    ):
        with pytest.raises(Invalid):
            recompute(replace(row, **{name: value}))
    with pytest.raises(Exception, match="append-only"):
        await as_owner("UPDATE quote SET amount_minor = 1")


async def test_what_is_withdrawn_or_empty_is_not_quoted() -> None:
    await open_catalogue("lyon", "empty")
    release, partner = await seal_week(), await make_vetted_partner()
    nobody = await seal_week(
        "empty", state="refused", sealed_at=None, contributors=0, total_weight=0, row_count=0, cells_sha256=""
    )
    with pytest.raises(NotFound):
        await actions.quote(partner, nobody, quote_id=uuid.uuid4())
    await actions.withdraw_offer("lyon")
    with pytest.raises(Conflict):
        await actions.quote(partner, release, quote_id=uuid.uuid4())
    with pytest.raises(NotFound):
        await queries.get_listing("lyon")
    assert await fetch_value("SELECT count(*) FROM quote") == 0


async def test_a_promise_to_contributors_raises_no_price() -> None:
    await open_catalogue()
    release, partner, now = await seal_week(), await make_vetted_partner(), clock.now()
    plain = await queries.get_quote(await actions.quote(partner, release, quote_id=uuid.uuid4()), partner)
    await promise_contributors("lyon", 1, cents=150_000)
    again = await queries.get_quote(await actions.quote(partner, release, quote_id=uuid.uuid4(), now=now), partner)
    assert again.amount_minor == plain.amount_minor


async def test_the_days_draw_is_one_for_all_however_many_ask_first() -> None:
    await open_catalogue()
    release, partner = await seal_week(), await make_vetted_partner()
    await asyncio.gather(*(actions.quote(partner, release, quote_id=uuid.uuid4()) for _ in range(6)))
    await actions.refresh_demand()
    assert [dict(row) for row in await fetch("SELECT day, demand_basis_points FROM demand_draw")] == [
        {"day": last_midnight().date(), "demand_basis_points": rules.NEUTRAL_BASIS_POINTS}
    ]
    with clock.shifted(dt.timedelta(days=1)):
        await asyncio.gather(*(actions.refresh_demand() for _ in range(4)))
        drawn = await fetch_one("SELECT * FROM demand_draw ORDER BY day DESC LIMIT 1")
        assert drawn
        assert drawn["demand_basis_points"] in rules.DEMAND_GRID
        row = await queries.get_quote(await actions.quote(partner, release, quote_id=uuid.uuid4()), partner)
        assert rules.demand_in(row.document) == [drawn["demand_basis_points"]]
    assert await fetch_value("SELECT count(*) FROM demand_draw") == 2


def test_demand_learns_from_sales_and_not_from_questions() -> None:
    import numpy as np  # noqa: PLC0415

    today = dt.date(2026, 11, 24)
    days = [today - dt.timedelta(days=ago) for ago in range(60, 0, -1)]
    past = [(day, rules.DEMAND_GRID[number % len(rules.DEMAND_GRID)]) for number, day in enumerate(days)]

    def mean(accepts: Callable[[int], bool]) -> float:
        answers = [(day, f"partner {n}", float(accepts(multiplier))) for day, multiplier in past for n in range(20)]
        return float(np.mean([rules.draw_of(past, answers, today, np.random.default_rng(seed)) for seed in range(40)]))

    assert mean(lambda multiplier: multiplier < 10_000) < 9_500
    assert mean(lambda _: True) > 14_000
    asked = [(day, "partner", 0.0) for day in days]
    assert {rules.draw_of(past, asked, today, np.random.default_rng(s)) for s in range(10)} == {
        rules.NEUTRAL_BASIS_POINTS
    }


async def test_buying_by_hand_is_one_quote_a_form_and_only_for_vetted_partners() -> None:
    await open_catalogue()
    release = await seal_week()
    await make_vetted_partner()
    await make_partner("Newcomer", "new@comer.example")
    form = str(uuid.uuid4())
    ask = {"release": str(release)}
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        page = await browser.get("/en/datasets/lyon")
        assert ">Buy</button>" in page.text
        answers = await asyncio.gather(
            *(browser.submit("/en/datasets/lyon/quotes", ask, form_id=form) for _ in range(3))
        )
        assert {(answer.status_code, answer.headers["location"]) for answer in answers} == {(303, f"/en/quotes/{form}")}
        assert await fetch_value("SELECT count(*) FROM quote") == 1
        answer = (await browser.get(f"/en/quotes/{form}/document.json")).json()
        rules.recompute(answer["document"].encode(), bytes.fromhex(answer["signature"]), answer["public_key"])
        for language, word in (("en", "Order and pay"), ("fr", "Commander et payer")):
            page = await browser.get(f"/{language}/quotes/{form}")
            assert word in page.text
        with clock.shifted(dt.timedelta(minutes=16)):
            page = await browser.get(f"/en/quotes/{form}")
            assert "expired" in page_text(page)
            assert "Order and pay" not in page.text
        for path in (f"/en/quotes/{uuid.uuid4()}", f"/en/quotes/{uuid.uuid4()}/document.json"):
            assert (await browser.get(path)).status_code == 404
        gone = await browser.submit("/en/datasets/lyon/quotes", {"release": str(uuid.uuid4())})
        assert gone.status_code == 404
        bad = await browser.submit("/en/datasets/lyon/quotes", {"release": "x"})
        assert bad.status_code in (400, 422)
    async with Browser() as stranger:
        await stranger.sign_in("new@comer.example")
        assert (await stranger.get(f"/en/quotes/{form}")).status_code == 404
        assert ">Buy</button>" not in (await stranger.get("/en/datasets/lyon")).text
        assert (await stranger.submit("/en/datasets/lyon/quotes", ask)).status_code == 403
    async with Browser() as visitor:
        assert (await visitor.get(f"/en/quotes/{form}")).status_code == 303
        page = await visitor.get("/en/datasets/lyon")
        assert page.status_code == 200
        assert "/sign-in" in page.text
        assert "/sign-up" in page.text
    assert await fetch_value("SELECT count(*) FROM quote") == 1


async def test_no_route_names_the_private_key() -> None:
    async with Browser() as machine:
        answer = await machine.get("/api/v1/keys")
    assert answer.json()["public_key"] == public_key(settings().signing_key).hex()
    assert settings().signing_key not in answer.text


async def test_a_price_is_not_held_into_a_window_that_is_announced_at_the_same_moment() -> None:
    await open_catalogue()
    release, buyer = await seal_week(), await make_vetted_partner()
    offer = await fetch_value("SELECT id FROM offer")
    is_locked, in_a_week = asyncio.Event(), clock.now() + dt.timedelta(days=7)

    async def announce() -> None:
        async with transaction():
            await execute(auctions.SQL["lock_offers"], offer, [release])
            await actions.reserve_window(uuid.uuid4(), offer, in_a_week, in_a_week + dt.timedelta(days=1))
            is_locked.set()
            await until_blocked(1)

    async def ask() -> None:
        await is_locked.wait()
        await actions.quote(buyer, release, quote_id=uuid.uuid4(), is_held=True)

    async with asyncio.timeout(20):
        announced, asked = await asyncio.gather(announce(), ask(), return_exceptions=True)
    assert announced is None
    assert isinstance(asked, Conflict)
    assert await fetch_value("SELECT count(*) FROM quote") == 0
