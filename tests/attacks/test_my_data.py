"""What people of bad will, or no care, try with somebody's switches, pauses, links, days and maps; and two clicks at once.

A former holder with an old receipt's link; a jealous hand with that link; a care agent whose system sends a request twice,
or late; a form with days of no calendar; one who asks for a thousand maps; a notice that changes while somebody pauses.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.importing import COLUMNS, record_words
from marketplace.consent.purposes.queries import list_choices, receipt_link
from marketplace.consent.purposes.rules import BROUGHT
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.queries import find_pause
from marketplace.consent.switches.rules import EVERYTHING, read
from marketplace.core import clock
from marketplace.core.instants import microseconds
from marketplace.oversight.rights.erasing import erase
from marketplace.people.identity import actions as identity
from marketplace.subscribers.my_data.actions import delete_days, make_own_maps
from marketplace.subscribers.rewards import actions as rewards
from tests.datasets import builders
from tests.oversight.builders import LINE, somebody
from tests.people.builders import PASSWORD, Browser, kinds_written, make_staff, token, visiting, words
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.operators import put_as_shop, system
from tests.support.reads import fetch, fetch_value

PURPOSE = sales.PURPOSE
CLINIC = builders.ZONES[1]
GIVEN = "SELECT given FROM consent_record WHERE subscriber = $1 ORDER BY at DESC, id DESC LIMIT 1"
RECORDS = "SELECT count(*) FROM consent_record WHERE subscriber = $1"


async def is_given(line: int) -> bool:
    return bool(await fetch_value(GIVEN, line))


async def consent_collected(line: int, at_us: int) -> AsyncIterator[dict[str, Any]]:
    """Yield one consent that the operator collected now in a shop."""
    import numpy as np  # noqa: PLC0415

    values = (0, 1, line, 1, 1, 1, at_us, BROUGHT.index("shop") + 1)
    yield {name: np.array([value], np.int64) for name, value in zip(COLUMNS, values, strict=True)}


async def test_a_former_holders_links_and_choices_end_with_them() -> None:
    async with somebody() as zoe:
        scope = structs.replace(EVERYTHING, places={CLINIC: False})
        receipt = await switches.choose(LINE, PURPOSE, scope)
        path = f"/en{receipt_link(receipt)}"
        async with visiting() as former:
            form = token(await former.get(path)) | {"form_id": str(uuid.uuid4())}
            await erase(zoe.id)
            [(_, code)] = await identity.issue_activation_codes([LINE])
            await identity.claim_line(LINE, code, email="an@heir.example", name="Ann", password=PASSWORD)
            [choice] = [one for one in await list_choices(LINE) if one.code == PURPOSE]
            assert (choice.given, choice.covers) == (False, None)
            await consent.give(LINE, PURPOSE)
            assert (await former.get(path)).status_code == 404, "nor does it say whether the heir is counted"
            assert (await former.post(path, data=form)).status_code == 404
            assert await is_given(LINE)
        async with Browser() as heir:
            await heir.sign_in("an@heir.example")
            shown = await heir.get(f"/en/consent/choices/{PURPOSE}")
            assert not [line for line in shown.text.splitlines() if CLINIC in line and "selected" in line]
        assert (await record_words(consent_collected(LINE, microseconds(clock.now())), [PURPOSE], ["list"])).given == 1
        heirs = await fetch(
            "SELECT covers FROM consent_record JOIN subscriber ON reference = subscriber "
            "WHERE subscriber = $1 AND given AND at > erased_at",
            LINE,
        )
        assert [row["covers"] for row in heirs] == [None, None], (
            "where somebody else did not want to be counted is theirs"
        )


async def test_a_receipts_link_in_other_hands_withdraws_once_and_its_holder_learns_of_it() -> None:
    await sales.write_lines()
    receipt = await consent.give(1, PURPOSE)
    path = f"/en{receipt_link(receipt)}"
    async with visiting() as spouse:
        shown = await spouse.get(path)
        assert "cents" not in words(shown), "a link shows no money"
        forms = [token(shown) | {"form_id": str(uuid.uuid4())} for _ in range(8)]
        answers = await asyncio.gather(*(spouse.post(path, data=form) for form in forms))
        assert {answer.status_code for answer in answers} == {200}
        assert not await is_given(1)
        assert await fetch_value(RECORDS, 1) == 2, "one withdrawal, however often it is clicked"
        assert (await kinds_written()).count("consent_changed_elsewhere") == 1
        for wrong in (path[:-1] + "é", path.rpartition("/")[0] + "/ü" * 43):
            assert (await spouse.get(wrong)).status_code == 404
        assert (await spouse.post("/en/my-data/resume", data=forms[0])).status_code in {302, 303, 401, 403}
        assert not await is_given(1), "a link gives nothing"


async def test_requests_that_come_twice_or_late_end_no_later_pause() -> None:
    app = await system()
    await consent.give(7, PURPOSE)
    first, on, second = (uuid.uuid4() for _ in range(3))

    async def ask(request: uuid.UUID, word: str, **more: str) -> Any:
        answer = await put_as_shop(app, f"pauses/{request}", {"reference": 7, "word": word} | more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert await ask(first, "pause", channel="shop") == {"purposes": 1, "is_paused": True}
    assert await ask(on, "resume") == {"purposes": 1, "is_paused": False}
    assert await ask(first, "pause") == {"purposes": 0, "is_paused": False}, "a late repeat pauses nobody"
    assert (await ask(second, "pause"))["is_paused"]
    assert await ask(on, "resume") == {"purposes": 0, "is_paused": True}, "nor does it give consent again"
    assert not await is_given(7)
    channels = await fetch("SELECT channel FROM consent_record WHERE subscriber = 7 ORDER BY id")
    assert [row["channel"] for row in channels] == ["partage", "shop", "call_centre", "call_centre"]
    asked = [(uuid.uuid4(), kind) for kind in ("child", "child", None, None, "business")]
    for request, kind in [*asked, asked[0], asked[2]]:
        stated = await put_as_shop(app, f"kinds/{request}", {"reference": 7, "kind": kind})
        assert stated.status_code == 200
    assert stated.json()["kind"] == "business", "what comes late or again changes nothing"
    assert (await kinds_written()).count("consent_changed_elsewhere") == 6, (
        "three for pauses, three as its kind changed"
    )
    async with visiting(7) as holder:
        assert "a credit on it is theirs" in words(await holder.get("/en/earnings/rewards")), (
            "an employer pays the bill"
        )
        form = token(await holder.get("/en/my-data")) | {"form_id": str(uuid.uuid4())}
        await asyncio.gather(*(holder.post("/en/my-data/resume", data=form) for _ in range(4)))
        assert await is_given(7)
        assert await fetch_value(RECORDS, 7) == 5
        again = token(await holder.get("/en/my-data")) | {"form_id": str(uuid.uuid4())}
        await asyncio.gather(*(holder.post("/en/my-data/pause", data=again) for _ in range(4)))
        assert await holder.post("/en/my-data/resume", data=form)
        assert await find_pause(7) is not None, "a page of yesterday, sent again, ends no pause of today"


async def test_going_on_gives_no_consent_to_words_that_changed_meanwhile() -> None:
    await sales.write_lines()
    await consent.give(1, PURPOSE)
    assert await switches.pause(1, uuid.uuid4()) == 1
    await consent.publish_notice(PURPOSE, text_fr="On vend tout.", text_en="We sell it all.", asks_anew=True)
    assert await switches.resume(1, uuid.uuid4()) == 0
    assert not await is_given(1)
    assert await find_pause(1) is None
    await consent.give(1, PURPOSE)
    assert await switches.pause(1, uuid.uuid4()) == 1
    await consent.publish_notice(PURPOSE, text_fr="On le redit mieux.", text_en="The same, better said.")
    assert await switches.resume(1, uuid.uuid4()) == 1, "one that asks nothing anew changes nothing"


async def test_days_of_no_calendar_are_a_sentence() -> None:
    await sales.write_lines()
    async with visiting(1) as ada:
        form = token(await ada.get("/en/my-data")) | {"form_id": str(uuid.uuid4())}
        for first, last, status in (
            ("0001-01-01", "9999-12-31", 200),
            ("9999-12-31", "9999-12-31", 422),
            ("0001-01-01", "0001-01-01", 200),
            ("2026-02-30", "2026-03-01", 422),
        ):
            answer = await ada.post("/en/my-data/delete", data=form | {"first": first, "last": last})
            assert answer.status_code == status, (first, last)
        page = f"/en/consent/choices/{PURPOSE}"
        given = {"source": "presence", "sector": "public", "home": "yes", "weekday": "1", "from_hour": "0"}
        given |= {"to_hour": "24", "first_day": "0001-01-01", "last_day": "9999-12-31", "not_there": "x" * 5_000}
        answer = await ada.post(page, data=token(await ada.get(page)) | given | {"form_id": str(uuid.uuid4())})
        assert answer.status_code == 422
        given["not_there"] = ""
        answer = await ada.post(page, data=token(await ada.get(page)) | given | {"form_id": str(uuid.uuid4())})
        assert answer.status_code == 303
        assert read(await fetch_value("SELECT covers FROM consent_record WHERE subscriber = 1")).last_day is not None
        assert (await ada.get(page)).status_code == 200
    asked = await fetch("SELECT asked_by, starts_at < ends_at AS is_long FROM retraction")
    assert {(row["asked_by"], row["is_long"]) for row in asked} == {("subscriber", True)}
    with pytest.raises(Exception, match="before the first"):
        await delete_days(1, clock.now().date(), clock.now().date().replace(year=2001))


async def test_who_asks_for_a_thousand_maps_keeps_nobody_waiting(tmp_path: Path) -> None:
    from marketplace.datasets.releases.ingestion import ingest_events  # noqa: PLC0415

    await sales.write_lines()
    await ingest_events(**builders.write(tmp_path, [(1, builders.at(1), builders.ZONES[0])], [1, 2]))
    async with visiting(1) as hostile, visiting(2) as patient:
        form = token(await hostile.get("/en/my-data"))
        for _ in range(30):
            last = await hostile.post("/en/my-data/map", data=form | {"form_id": str(uuid.uuid4())})
        mine = await patient.post(
            "/en/my-data/map", data=token(await patient.get("/en/my-data")) | {"form_id": str(uuid.uuid4())}
        )
        assert await make_own_maps() == 2
        for browser, asked in ((hostile, last), (patient, mine)):
            assert "being drawn" not in words(await browser.get(asked.headers["location"]))


async def test_clicks_at_once_spend_no_cent_twice() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1, 2: 1, 3: 1}, 3_000)
        await payees.claim_lines(1)
        nora = await make_staff("Nora")
        await rewards.list_benefit("data", title_fr="1 Go", title_en="1 GB", price_minor=400, actor=nora)
        before = await payees.balance_of(1)
        bought = await asyncio.gather(*(rewards.buy(1, "data", uuid.uuid4()) for _ in range(6)), return_exceptions=True)
        done = sum(one is None for one in bought)
        assert done == before // 4_000_000
        assert {type(one).__name__ for one in bought} <= {"NoneType", "Conflict"}
        assert await payees.balance_of(1) == before - done * 4_000_000
        same, left = uuid.uuid4(), await payees.balance_of(1)
        await rewards.list_benefit("sms", title_fr="Un SMS", title_en="A text", price_minor=10, actor=nora)
        await asyncio.gather(*(rewards.buy(1, "sms", same) for _ in range(4)))
        assert await payees.balance_of(1) == left - 100_000, "one form is one benefit"
