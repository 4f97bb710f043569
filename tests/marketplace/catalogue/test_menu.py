"""What was there before the second rule keeps its worth and its price, and what the second rule says can be read."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from marketplace import clock
from marketplace.catalogue import actions, queries, rules
from marketplace.database import execute
from marketplace.errors import Invalid
from marketplace.settings import settings
from marketplace.signing import sign
from migrations.history import m0008_price
from pricing.quote import price
from tests.marketplace.catalogue.shop import TERMS, last_midnight, make_buyer, make_release, open_shop
from tests.marketplace.identity.site import Browser, text_of
from tests.pricing.test_first_rule import CITY as FIRST
from tests.support.reads import fetch_value

SENTENCES = {
    "en": (
        "The figures cover 7 days: longer costs more, in proportion.",
        "of the 98 possible figures are published; you do not pay for those withheld.",
        "600 of 1,000 subscribers consent",
        "they say as much as",
        "moves a figure by about ± 3",
        "worth 80% of every right there is",
        "The licence ends after 12 months",
        "No licence is sold below €150.00.",
    ),
    "fr": (
        "Les chiffres couvrent 7 jours : plus long coûte plus cher, à proportion.",
        "des 98 chiffres possibles sont publiés",
        "ils en disent autant que",
        "vaut 80 % de tous les droits possibles",
        "La licence prend fin au bout de 12 mois",
    ),
}
"""Of what each step says, in both languages."""


@pytest.mark.owner("it runs a migration again")
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


async def test_every_step_is_explained_and_a_quote_of_the_first_rule_still_verifies() -> None:
    await open_shop()
    release, partner = await make_release(), await make_buyer()
    old = uuid.uuid4()
    now = clock.now()
    priced = price(FIRST)
    document = rules.write_document(
        old,
        partner=partner,
        release=release,
        offer=await fetch_value("SELECT id FROM offer"),
        priced=priced,
        quoted_at=now,
        expires_at=now + rules.QUOTE_LASTS,
    )
    await execute(
        """INSERT INTO quote (id, partner, offer, release, amount_minor, document, signature, quoted_at, expires_at, terms)
           SELECT $1, $2, offer.id, $3, $4, $5, $6, $7, $8, $9 FROM offer""",
        old,
        partner,
        release,
        priced.amount_minor,
        document,
        sign(document, settings().signing_key),
        now,
        now + rules.QUOTE_LASTS,
        TERMS,
    )
    assert actions.recompute(await queries.get_quote(old, partner)) == priced
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        assert "possible figures" not in text_of(await browser.get(f"/en/quotes/{old}"))
        for language, sentences in SENTENCES.items():
            seen = text_of(await browser.get(f"/{language}/datasets/lyon"))
            assert [sentence for sentence in sentences if sentence not in seen] == []
