"""Two tabs, two clicks, a stale form, an odd field and a death in the middle: one sentence, nothing lost, nothing done twice."""

import asyncio
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases.queries import get_release
from tests.catalogue.builders import FORM_ID, OFFER_FIELDS, open_catalogue, seal_week, sign_in_staff
from tests.consent.builders import PURPOSE
from tests.datasets.builders import PERIOD, crowd, declare, make_subscribers, write
from tests.people.builders import Browser, add_staff, words
from tests.support.reads import fetch_value

LINES = "SELECT count(*) FROM staff_action WHERE verb = $1"
DATASET: dict[str, Any] = {
    "code": "odd",
    "purpose": PURPOSE,
    "title_fr": "Présence",
    "title_en": "Presence",
    "description_fr": "Combien.",
    "description_en": "How many.",
    "area": "Lyon",
    "zones": "881f91cb1dfffff",
    "age_bands": "18-24, 25+",
    "h3_resolution": "8",
    "grain": "day",
    "unit": "release",
    "mechanism": "laplace",
    "max_cells": "6",
    "max_events": "3",
    "epsilon": "1",
    "budget": "10",
    "time_zone": "Europe/Paris",
}


def seen_in(page: httpx.Response, action: str) -> str:
    """Return what the form of an address has seen, as the page has it."""
    form = re.search(rf'action="{re.escape(action)}".*?</form>', page.text, re.DOTALL)
    assert form, page.text
    (seen,) = re.findall(r'name="seen" value="([^"]*)"', form.group(0))
    return str(seen)


async def two_stewards(sam: Browser, tom: Browser) -> None:
    await sign_in_staff((sam, "steward"))
    await add_staff("tom@partage.example", "Tom", "steward", "a rather long sentence")
    await tom.sign_in("tom@partage.example")


async def make_terms(code: str, months: int) -> None:
    await catalogue.define_terms(code, months=months, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")


async def test_an_offer_that_somebody_else_changed_meanwhile_is_looked_at_first() -> None:
    await open_catalogue()
    await make_terms("toms-1", 6)
    await make_terms("sams-1", 24)
    path = "/en/steward/offers/lyon"
    async with Browser() as sam, Browser() as tom:
        await two_stewards(sam, tom)
        seen = seen_in(await sam.get(path), path)
        assert (await tom.submit(path, OFFER_FIELDS | {"terms": "toms-1", "seen": seen})).status_code == 303
        own = OFFER_FIELDS | {"terms": "sams-1"}
        refused = await sam.submit(path, own | {"seen": seen})
        assert refused.status_code == 409
        assert "Somebody changed this meanwhile" in words(refused)
        assert '<option value="sams-1" selected' in refused.text, "what was chosen is not lost"
        assert "Licence terms toms-1" in words(refused), "the page shows what it is now"
        assert await fetch_value("SELECT terms FROM offer WHERE dataset = 'lyon'") == "toms-1"
        assert (await sam.submit(path, own | {"seen": seen_in(refused, path)})).status_code == 303
        assert await fetch_value("SELECT terms FROM offer WHERE dataset = 'lyon'") == "sams-1"


async def test_two_clicks_at_once_change_an_offer_and_withdraw_it_once() -> None:
    await open_catalogue()
    await make_terms("other-1", 6)
    path = "/en/steward/offers/lyon"
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        form = OFFER_FIELDS | {"terms": "other-1", "seen": seen_in(await sam.get(path), path)}
        assert [a.status_code for a in await asyncio.gather(*(sam.submit(path, form) for _ in range(3)))] == [303] * 3
        await asyncio.gather(*(sam.submit(f"{path}/withdraw", {}) for _ in range(3)))
    assert [await fetch_value(LINES, verb) for verb in ("offer_made", "offer_withdrawn")] == [1, 1]


async def test_a_notice_does_not_follow_a_version_that_was_not_read() -> None:
    await open_catalogue()
    path = f"/en/steward/purposes/{PURPOSE}/notices"
    form = {"text_fr": "On compte.", "text_en": "We count.", "change": "anew"}
    async with Browser() as sam, Browser() as tom:
        await two_stewards(sam, tom)
        seen = seen_in(await sam.submit(path, form), path)
        publish = form | {"step": "publish", "seen": seen}
        assert (await tom.submit(path, publish)).status_code == 303
        refused = await sam.submit(path, publish)
        assert refused.status_code == 409
        assert "Version 2 of this notice was published meanwhile" in words(refused)
        assert "We count." in refused.text
        again = await sam.submit(path, form)
        both = [sam.submit(path, publish | {"seen": seen_in(again, path)}, form_id=FORM_ID) for _ in range(2)]
        assert [answer.status_code for answer in await asyncio.gather(*both)] == [303, 303]
    assert await fetch_value("SELECT max(version) FROM notice") == 3
    assert await fetch_value(LINES, "notice_published") == 2


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("since", "1700-01-01", "Events before 1970 are not counted"),
        ("since", "0001-01-01", "Events before 1970 are not counted"),
        ("since", "9999-12-31", "a day to come"),
        ("text_fr", "x" * 10_000, "at most 5000 characters"),
        ("text_en", "a\0b", "a character that cannot be kept"),
        ("text_en", " ", "in French and in English"),
    ],
)
async def test_an_odd_notice_is_refused_before_its_preview_and_at_its_field(field: str, value: str, why: str) -> None:
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        purpose = {"category": "presence", "use": "statistics", "title_fr": "P", "title_en": "P"}
        await sam.submit("/en/steward/purposes", purpose)
        form = {"text_fr": "On compte.", "text_en": "We count.", "since": "", field: value}
        refused = await sam.submit(f"/en/steward/purposes/{PURPOSE}/notices", form)
        assert refused.status_code == 422
        assert "Before you publish" not in refused.text
        (at_field,) = re.findall(rf'id="{field}-error">([^<]*)<', refused.text)
        assert why in at_field
        assert ("We count." if field != "text_en" else "On compte.") in refused.text, "what was typed is not lost"


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("h3_resolution", "", "whole number"),
        ("h3_resolution", "8,5", "whole number"),
        ("max_cells", "-1", "whole number"),
        ("max_events", "9" * 30, "whole number"),
        ("max_events", "1000001", "a million at most"),
        ("epsilon", "50%", "number above zero"),
        ("budget", "NaN", "number above zero"),
        ("title_fr", "", "title, its description"),
        ("description_en", " ", "title, its description"),
        ("area", "x" * 101, "100 characters"),
        ("title_en", "x" * 10_000, "200 characters"),
        ("zones", "", "declares its zones"),
    ],
)
async def test_an_odd_dataset_is_refused_with_a_sentence_and_keeps_what_was_typed(
    field: str, value: str, why: str
) -> None:
    await open_catalogue()
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        refused = await sam.submit("/en/steward/datasets", DATASET | {field: value})
        assert refused.status_code == 422
        assert why in words(refused)
        assert 'value="odd"' in refused.text, "what was typed is not lost"
        assert await fetch_value("SELECT count(*) FROM dataset WHERE code = 'odd'") == 0


async def test_what_is_there_already_gets_no_second_line_in_the_trail() -> None:
    await open_catalogue()
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        purpose = {"category": "presence", "use": "other", "title_fr": "P", "title_en": "P"}
        terms: dict[str, Any] = {"code": "new-1", "months": "12", "right": "publish", "countries": "", "purposes": []}
        for path, form in (
            ("/en/steward/purposes", purpose),
            (f"/en/steward/purposes/{PURPOSE}/name", {"dpv": "Marketing"}),
            ("/en/steward/terms", terms),
            ("/en/steward/datasets", DATASET),
            ("/en/steward/datasets/odd/cadence", {"cadence": "week"}),
        ):
            for answer in await asyncio.gather(*(sam.submit(path, form) for _ in range(3))):
                assert answer.status_code == 303
    verbs = ("purpose_defined", "purpose_named", "terms_stated", "dataset_defined", "cadence_set")
    assert {verb: await fetch_value(LINES, verb) for verb in verbs} == dict.fromkeys(verbs, 1)


async def test_a_release_is_called_back_once_and_a_second_reason_is_not_dropped_without_a_word() -> None:
    await open_catalogue()
    release = await seal_week()
    path = f"/en/steward/releases/{release}/revoke"
    why = {"reason_fr": "Une erreur.", "reason_en": "A mistake."}
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        answers = await asyncio.gather(*(sam.submit(path, why) for _ in range(3)))
        assert [answer.status_code for answer in answers] == [303] * 3
        other = await sam.submit(path, why | {"reason_en": "Another one."})
        assert other.status_code == 409
        assert "for another reason" in words(other)
    assert await fetch_value(LINES, "release_recalled") == 1


async def assessed(folder: Path, code: str = "lyon") -> uuid.UUID:
    """Build a release that passed the gate and waits to be published, under an open offer."""
    await declare()
    await make_subscribers(range(1, 301))
    release = await datasets.build(code, **write(folder, crowd(300), range(1, 301)), **PERIOD, publish=False)
    assert (await get_release(release)).state == "assessed"
    return release


async def test_publishing_twice_at_once_seals_once_with_one_line_in_the_trail(tmp_path: Path) -> None:
    release = await assessed(tmp_path)
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        clicks = [sam.submit(f"/en/steward/releases/{release}/publish", {}) for _ in range(3)]
        assert [answer.status_code for answer in await asyncio.gather(*clicks)] == [303] * 3
        assert (await sam.submit(f"/en/steward/releases/{release}/publish", {})).status_code == 303, "back, and again"
    assert await fetch_value(LINES, "release_published") == 1
