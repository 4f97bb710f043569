"""Lengths of licence: each priced by its length, on the menu that is audited, chosen with the price and kept by the licence."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import html5lib
import pytest

from marketplace import clock
from marketplace.catalogue import actions as catalogue
from marketplace.catalogue import lengths, menu
from marketplace.catalogue.queries import get_quote
from marketplace.database import fetch_scalar
from marketplace.errors import Conflict, Invalid
from marketplace.identity import actions as identity
from tests.marketplace.identity.site import PASSWORD, Browser, text_of
from tests.marketplace.purchases.shop import jobs, make_buyer, open_shop, pay, place_order

OFFER = "/en/steward/offers/lyon"
PAGE = "/en/datasets/lyon"
MONTHS = {"short-1": 3, "long-1": 36}


async def test_a_licence_is_bought_for_three_twelve_or_thirty_six_months(stripe: Any) -> None:
    del stripe
    release, buyer = await open_shop(), await make_buyer()
    for code, months in MONTHS.items():
        await catalogue.define_terms(code, months=months, lines_fr=f"{months} mois", lines_en=f"{months} months")
    await catalogue.define_terms("inside-1", months=6, lines_fr="Dedans", lines_en="Inside", right="internal")
    await identity.add_staff("steward@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as sam, Browser() as atelier, Browser() as stranger:
        await sam.sign_in("steward@partage.example")
        await atelier.sign_in("atelier@partner.example")
        assert 'name="terms"' not in (await atelier.get(PAGE)).text, "without a choice nothing is asked"
        for wrong in ("inside-1", "short-1, nothing-1", "standard-1"):
            answer = await sam.submit(f"{OFFER}/lengths", {"lengths": wrong})
            assert answer.status_code == 422
            assert f'value="{wrong}"' in answer.text, "what was typed is kept"
            assert "months alone" in text_of(answer)
        assert (await sam.submit(f"{OFFER}/lengths", {"lengths": "short-1, long-1"})).status_code == 303
        html5lib.HTMLParser(strict=True).parse((await sam.get(OFFER)).text)
        assert "36 months" in text_of(await sam.get(OFFER))

        compared = await menu._compared("lyon", clock.now(), {})
        posted = {item.months: item.amount_minor for item in compared.posted(clock.now())}
        assert list(posted) == [3, 12, 36], "each length is on the menu that is audited"
        assert posted[3] < posted[12] < posted[36], "a longer one costs more"
        assert "For other lengths" in text_of(await stranger.get(PAGE))
        shown = await atelier.get(PAGE)
        html5lib.HTMLParser(strict=True).parse(shown.text)
        options = dict(re.findall(r'<option value="([\w-]+)"[^>]*>(\d+) months', shown.text))
        assert options == {"short-1": "3", "standard-1": "12", "long-1": "36"}
        asked, wanted = uuid.uuid4(), {"release": str(release), "level": "0", "terms": "long-1"}
        assert (await atelier.submit(f"{PAGE}/quotes", wanted, form_id=str(asked))).status_code == 303
        assert (await pay((await place_order(atelier, asked)).headers["location"])).status_code == 303
        await jobs()
        quote = await get_quote(asked, buyer)
        assert quote.amount_minor == posted[36]
        document = json.loads(quote.document)
        assert document["price"]["inputs"]["term_months"] == 36, "the waterfall says what the length costs"
        years = "SELECT extract(year FROM age(ends_at, starts_at))::integer FROM entitlement"
        assert await fetch_scalar(int, years) == 3
        refusal = await atelier.submit(f"{PAGE}/quotes", wanted | {"terms": "inside-1"})
        assert refusal.status_code == 422
        assert "not sold for so long" in text_of(refusal)

        assert (await sam.submit(f"{OFFER}/lengths", {"lengths": ""})).status_code == 303
        assert 'name="terms"' not in (await atelier.get(PAGE)).text


async def test_lengths_are_of_what_is_on_sale_and_a_few() -> None:
    await open_shop()
    with pytest.raises(Invalid, match="at most"):
        await lengths.set_lengths("lyon", [str(uuid.uuid4()) for _ in range(6)])
    await catalogue.withdraw_offer("lyon")
    with pytest.raises(Conflict, match="not on sale"):
        await lengths.set_lengths("lyon", [])
