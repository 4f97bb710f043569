"""Offers and terms that were there before rights, lengths and days had a price keep what they were worth."""

from __future__ import annotations

import datetime as dt

import pytest

from marketplace import clock
from marketplace.catalogue import actions, queries
from marketplace.database import execute
from marketplace.errors import Invalid
from migrations.history import m0008_price
from tests.marketplace.catalogue.shop import TERMS, last_midnight, make_release, open_shop
from tests.support.reads import fetch_value


async def test_offers_and_terms_from_before_get_neutral_values() -> None:
    """The worth is that of the latest release's days; neither right nor length moves the price, and it is for sale."""
    await open_shop("lyon", "empty")
    release = await make_release(period_from=last_midnight() - dt.timedelta(days=28))
    await execute("ALTER TABLE offer DROP COLUMN worth_days; ALTER TABLE licence_terms DROP COLUMN usage_right")
    await execute(m0008_price.COLUMNS)
    await execute(m0008_price.WORTH_OF_THE_LATEST)
    assert await fetch_value("SELECT worth_days FROM offer WHERE dataset = 'lyon'") == 28
    assert await fetch_value("SELECT worth_days FROM offer WHERE dataset = 'empty'") == 7
    steps = (await actions.price_now(*await queries.list_priced_releases([release]), now=clock.now())).waterfall
    moved = {step.name: step.amount_minor for step in steps}
    assert (moved["period"], moved["right"], moved["term"]) == (0, 0, 0)
    await actions.list_offer("lyon", terms=TERMS, full_worth_minor=1_000, floor_minor=1, cap_minor=1_000)


async def test_an_offer_or_terms_that_cannot_be_priced_are_refused() -> None:
    await open_shop()
    for days in (0, 367):
        with pytest.raises(Invalid, match="between 1 and 366 days"):
            await actions.list_offer(
                "lyon", terms=TERMS, full_worth_minor=1, floor_minor=1, cap_minor=1, worth_days=days
            )
    for right in ("", "everything"):
        with pytest.raises(Invalid, match="no such right"):
            await actions.define_terms("other-1", months=1, lines_fr="Un", lines_en="One", right=right)
