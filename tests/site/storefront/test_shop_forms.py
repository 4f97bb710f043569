"""Every form of the shop, filled in by a careless person and by a hostile one: kept as typed, said at its field, nothing half-done.

Each field in turn gets what is wrong in it while the others are right. Then what is right is pressed twice at once.
"""

import asyncio
import datetime as dt
import html
import re
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import html5lib
import httpx
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from tests.datasets.builders import ZONES
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.shop import make_buyer, make_quote, make_sale, open_shop, save_card_on_page
from tests.support.reads import fetch_value

DAY: Final = dt.timedelta(days=1)
HUGE: Final = "9" * 5_000
CONTROL: Final = "a\x01\x1b[31mb"
NOBODY: Final = "00000000-0000-4000-8000-000000000000"
DATES: Final = ("", "soon", "2026-02-30", "0000-00-00", "99999-01-01", "28/11/2026", HUGE)
AMOUNTS: Final = ("", "much", "-1", "0", "1e9", "12,345", "NaN", "٣", HUGE)


@dataclass(frozen=True)
class Form:
    """A form: who presses it, where, what is right in it, and what is wrong in each of its fields."""

    who: str
    path: str
    right: dict[str, str]
    wrong: dict[str, tuple[str, ...]]
    made: str = ""
    """The table that pressing it adds one row to; empty where it changes one."""
    foreign: dict[str, str] = field(default_factory=dict)
    """Fields with somebody else's, or nobody's, id: not found."""


def forms_of_shop(own: dict[str, Any]) -> dict[str, Form]:
    """Return the forms; own: the ids of what there is."""
    today = clock.now().date()
    first, last, ends = ((today + days * DAY).isoformat() for days in (-30, 0, 20))
    wanted = {
        "place": "Bron",
        "product": "presence",
        "grain": "hour",
        "starts_on": first,
        "ends_on": last,
        "most": "500",
    }
    offered = {"partner": str(own["partner"]), "dataset": "lyon", "percent_off": "5", "months": "", "ends_on": ends}
    billed = {"street": "2 rue Longue", "postcode": "69001", "city": "Lyon", "reference": "PO 7"}
    return {
        "request": Form(
            "buyer",
            "/en/requests/new",
            wanted | {"text": "Where buses are missing."},
            {
                "place": ("", " ", "x" * 5_000),
                "product": ("", "odd", HUGE),
                "grain": ("", "odd", HUGE),
                "starts_on": DATES,
                "ends_on": (*DATES, "2020-01-01"),
                "most": AMOUNTS,
                "text": ("x" * 3_000,),
            },
            made="data_request_partner",
        ),
        "private offer": Form(
            "steward",
            "/en/steward/private-offers",
            offered,
            {
                "partner": ("", "odd", NOBODY, HUGE),
                "percent_off": ("", "0", "51", "-5", "5.5", "٣", "²", HUGE),
                "months": ("0", "121", "twelve", "-12", "12.5", "٣", "²", HUGE),
                "ends_on": (*DATES, "2020-01-01", (today + 200 * DAY).isoformat()),
            },
            made="private_offer",
            foreign={"dataset": "atlantis"},
        ),
        "claim": Form(
            "buyer",
            f"/en/orders/{own['order']}/claim",
            {"reason": "wrong_figures", "evidence": "A zone is empty on Sunday."},
            {"reason": ("", "odd", HUGE), "evidence": ("", " ", "x" * 9_000)},
            made="claim",
        ),
        "subscription": Form(
            "buyer",
            "/en/subscribe/lyon",
            {"dataset": "lyon", "releases": "4"},
            {"releases": ("", "0", "5", "-4", "four", "4.0", "NaN", "²", "٤", HUGE)},
            "subscription",
        ),
        "saved search": Form(
            "buyer",
            "/en/searches",
            {"query": "search=lyon", "name": "Lyon"},
            {"name": ("", " ", "x" * 300)},
            "saved_search",
        ),
        "billing address": Form(
            "buyer",
            "/en/billing",
            billed,
            {
                "street": ("", " ", "x" * 300),
                "postcode": ("6" * 30,),
                "city": ("", "x" * 300),
                "reference": ("x" * 100,),
            },
        ),
        "order": Form(
            "other",
            f"/en/quotes/{own['quote']}/orders",
            {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon", "reference": ""},
            {"street": ("", " ", "x" * 300), "city": ("", "x" * 300), "postcode": ("6" * 30,)},
            made="purchase_order",
        ),
        "zones": Form(
            "buyer",
            "/en/datasets/lyon/preview",
            {"zones": "\n".join(ZONES)},
            {"zones": ("", "nowhere", "0.0, 0.0", '{"type": "Polygon"', "{}", "45.764, 4.8357\n999, 999", "x" * 300)},
        ),
        "kept zones": Form(
            "buyer",
            "/en/zones/kept",
            {"dataset": "lyon", "zones": "45.764, 4.8357", "name": "Our shops"},
            {"name": ("", " ", CONTROL, "x" * 300)},
            made="kept_zones",
        ),
    }


NAMES: Final = (
    "request",
    "private offer",
    "claim",
    "subscription",
    "saved search",
    "billing address",
    "order",
    "zones",
    "kept zones",
)


async def open_form_shop() -> dict[str, Any]:
    """Open the shop, and return the ids that forms name."""
    release, partner = await open_shop(), await make_buyer()
    rival = await make_buyer("rival")
    await execute("UPDATE dataset SET cadence = 'week'")
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        order = (await make_sale(browser, partner, release))["id"]
        await save_card_on_page(browser, "/basket")
    return {"partner": partner, "order": order, "quote": await make_quote(rival, release)}


async def count_of(table: str) -> int:
    return int(await fetch_value(f'SELECT count(*) FROM "{table}"')) if table else 0


def still_shows(shown: str, name: str, value: str) -> bool:
    """Return whether a page shows a field with what was typed, in a box, an area or a list."""
    area = re.findall(rf'<textarea[^>]*name="{name}"[^>]*>(.*?)</textarea>', shown, re.DOTALL)
    box = re.findall(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', shown)
    chosen = re.findall(rf'<select[^>]*name="{name}".*?</select>', shown, re.DOTALL)
    listed = [one for each in chosen for one in re.findall(r'<option value="([^"]*)" selected', each)]
    return value in {html.unescape(one) for one in (*area, *box, *listed)}


async def faults_of_refusal(browser: Browser, form: Form, name: str, value: str) -> str:
    """Send a form that is wrong in one field, and return what is wrong with the answer; nothing is the empty string."""
    before = await count_of(form.made)
    answer: httpx.Response = await browser.submit(form.path, form.right | {name: value})
    where = f"{name}={value[:20]!r}"
    if not 400 <= answer.status_code < 500:
        return f"{where}: {answer.status_code}"
    if await count_of(form.made) != before:
        return f"{where}: changed something"
    if f'id="{name}-error"' not in answer.text:
        return f"{where}: nothing is said at the field: {answer.status_code} {page_text(answer)[120:400]}"
    lost = [
        other
        for other, typed in form.right.items()
        if other != name and typed and not still_shows(answer.text, other, typed)
    ]
    if lost := [other for other in lost if f'name="{other}"' in answer.text]:
        return f"{where}: {lost} are lost"
    if (
        0 < len(value) <= 40
        and value.isprintable()
        and value.strip()
        and name not in LISTS
        and not still_shows(answer.text, name, value)
    ):
        return f"{where}: what was typed is lost"
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return ""


LISTS: Final = {"product", "grain", "reason", "partner", "dataset", "releases"}
"""Chosen from a list, which shows nothing that is not on it."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("stripe")
async def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(name: str) -> None:
    form = forms_of_shop(await open_form_shop())[name]
    email = {"buyer": "atelier@partner", "other": "rival@partner", "steward": "samir@partage"}[form.who]
    async with Browser() as browser:
        await browser.sign_in(f"{email}.example")
        faults = [
            await faults_of_refusal(browser, form, field, value)
            for field, values in form.wrong.items()
            for value in values
        ]
        assert [one for one in faults if one] == []
        for other, value in form.foreign.items():
            assert (await browser.submit(form.path, form.right | {other: value})).status_code == 404
        for other in form.wrong:
            answer = await browser.submit(form.path, form.right | {other: "a\x00b"})
            assert 400 <= answer.status_code < 500, f"{other}: a byte that no text has"
        before, pressed = await count_of(form.made), str(uuid.uuid4())
        both = await asyncio.gather(*(browser.submit(form.path, form.right, form_id=pressed) for _ in range(2)))
        assert {one.status_code for one in both} <= {200, 303}, [page_text(one)[:400] for one in both]
        if form.made:
            assert await count_of(form.made) == before + 1, "two clicks at once are one"
