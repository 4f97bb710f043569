"""What an offer would cost before it is made, and changes that are planned for a later day."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from marketplace.catalogue.offers import actions, offers, queries
from marketplace.catalogue.offers.rules import StatedOffer, next_version
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Expired, Invalid
from tests.catalogue.builders import DEARER, TERMS, open_catalogue, seal_week
from tests.support.reads import fetch_one, fetch_value


async def test_the_foreseen_price_is_the_one_that_making_the_offer_gives() -> None:
    await open_catalogue()
    release = await seal_week()
    await execute("DELETE FROM offer")
    foreseen = await offers.foresee("lyon", DEARER)
    assert foreseen.refusals == []
    assert await fetch_value("SELECT count(*) FROM offer") == 0, "nothing is saved"
    await actions.list_offer(
        "lyon", terms=TERMS, full_worth_minor=480_000, floor_minor=15_000, cap_minor=400_000, worth_days=7
    )
    [row] = await queries.list_priced_releases([release])
    made = await actions.price_now(row, now=clock.now())
    assert [(level, priced.amount_minor) for level, priced in foreseen.prices] == [(0, made.amount_minor)]


async def test_an_offer_that_undercuts_another_is_foreseen_with_its_witness_and_not_made() -> None:
    await open_catalogue("lyon", "again")
    await seal_week("lyon")
    await seal_week("again", row_count=60)
    before = await fetch_one("SELECT * FROM offer WHERE dataset = 'again'")
    foreseen = await offers.foresee("again", StatedOffer(TERMS, 4_800_000, 7, 300_000, 400_000))
    assert foreseen.prices
    [refusal] = foreseen.refusals
    assert "Not listed" in str(refusal)
    assert await fetch_one("SELECT * FROM offer WHERE dataset = 'again'") == before


async def test_what_has_no_release_or_no_sense_has_no_price() -> None:
    await open_catalogue()
    foreseen = await offers.foresee("lyon", DEARER)
    assert (foreseen.release, foreseen.prices, foreseen.refusals) == (None, [], [])
    with pytest.raises(Invalid, match="floor above zero"):
        await offers.foresee("lyon", StatedOffer(TERMS, 1, 7, 2, 1))
    for worth, cap in ((10**11 + 1, 400_000), (240_000, 10**11 + 1)):
        with pytest.raises(Invalid, match="a thousand million euros at most"):
            await offers.foresee("lyon", StatedOffer(TERMS, worth, 7, 15_000, cap))


async def test_a_planned_change_is_made_once_its_day_has_come() -> None:
    await open_catalogue()
    change, later = uuid.uuid4(), clock.now() + dt.timedelta(days=3)
    for _ in range(2):
        await offers.plan_change("lyon", DEARER, later, change=change, by="Sam")
    with pytest.raises(Conflict, match="planned already"):
        await offers.plan_change("lyon", DEARER, later, change=uuid.uuid4(), by="Sam")
    with pytest.raises(Invalid, match="later than now"):
        await offers.plan_change("lyon", DEARER, clock.now(), change=uuid.uuid4(), by="Sam")
    assert await offers.make_changes() == 0
    await execute("UPDATE offer_change SET starts_at = $1", clock.now() - dt.timedelta(seconds=1))
    assert await offers.make_changes() == 1
    assert await offers.make_changes() == 0
    assert await fetch_value("SELECT full_worth_minor FROM offer") == 480_000
    [row] = await offers.list_changes("lyon")
    assert (row.outcome, row.refusal) == ("made", None)
    with pytest.raises(Expired):
        await offers.cancel_change(change)


async def test_a_planned_change_is_cancelled_by_a_steward_or_with_its_offer() -> None:
    await open_catalogue()
    first, second = uuid.uuid4(), uuid.uuid4()
    later = clock.now() + dt.timedelta(days=3)
    await offers.plan_change("lyon", DEARER, later, change=first, by="Sam")
    for _ in range(2):
        assert await offers.cancel_change(first) == "lyon"
    await offers.plan_change("lyon", DEARER, later, change=second, by="Sam")
    await actions.withdraw_offer("lyon")
    await execute("UPDATE offer_change SET starts_at = $1 WHERE outcome = ''", clock.now())
    assert await offers.make_changes() == 0
    assert [row.outcome for row in await offers.list_changes("lyon")] == ["cancelled", "cancelled"]
    with pytest.raises(Conflict, match="not on sale"):
        await offers.plan_change("lyon", DEARER, later, change=uuid.uuid4(), by="Sam")


async def test_a_planned_change_that_the_menu_refuses_says_why() -> None:
    await open_catalogue("lyon", "again")
    await seal_week("lyon")
    await seal_week("again", row_count=60)
    stated = StatedOffer(TERMS, 4_800_000, 7, 300_000, 400_000)
    await offers.plan_change("again", stated, clock.now() + dt.timedelta(days=1), change=uuid.uuid4(), by="Sam")
    await execute("UPDATE offer_change SET starts_at = $1", clock.now())
    assert await offers.make_changes() == 0
    [row] = await offers.list_changes("again")
    assert row.outcome == "refused"
    assert row.refusal
    assert "Not listed" in row.refusal
    assert await fetch_value("SELECT full_worth_minor FROM offer WHERE dataset = 'again'") == 240_000


async def test_terms_once_stated_never_change() -> None:
    await open_catalogue()
    with pytest.raises(Conflict, match="never change"):
        await actions.define_terms(TERMS, months=24, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    for months in (0, 121):
        with pytest.raises(Invalid, match="between 1 and 120"):
            await actions.define_terms("standard-2", months=months, lines_fr="a", lines_en="b")
    assert [next_version(code) for code in ("standard-1", "standard", "public-use-9")] == [
        "standard-2",
        "standard-2",
        "public-use-10",
    ]
