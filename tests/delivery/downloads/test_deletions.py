"""After a recall: a partner confirms by its page or its API that copies are deleted, and staff see who has not."""

import datetime as dt
import uuid

import html5lib
import httpx
import pytest

from marketplace.core import clock
from marketplace.delivery.downloads.deletion_actions import BETWEEN, MOST, STAFF_FROM, remind_of_deletion
from marketplace.people.identity.key_actions import create_key
from tests.delivery.builders import call_back
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.shop import make_buyer, make_sale, open_shop
from tests.support.reads import fetch, fetch_value
from tests.support.sites import the_site


async def reminders() -> list[tuple[str, str]]:
    rows = await fetch("SELECT kind, recipient FROM message WHERE kind LIKE 'deletion%' ORDER BY kind, source_id")
    return [(row["kind"], row["recipient"]) for row in rows]


@pytest.mark.usefixtures("stripe")
async def test_partners_confirm_are_reminded_and_staff_see_who_has_not() -> None:
    release = await open_shop()
    quiet, prompt = await make_buyer(), await make_buyer("rival")
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    async with Browser() as atelier, Browser() as rival, Browser() as samir:
        for browser, email in ((atelier, "atelier@partner"), (rival, "rival@partner"), (samir, "samir@partage")):
            await browser.sign_in(f"{email}.example")
        unconfirmed = (await make_sale(atelier, quiet, release))["id"]
        confirmed = (await make_sale(rival, prompt, release))["id"]
        early = await rival.submit(f"/en/orders/{confirmed}/deletion", {})
        assert early.status_code == 409
        assert "not called back" in page_text(early)
        assert "Nothing that anybody bought" in page_text(await samir.get("/en/staff/deletions"))

        now = clock.now()
        await call_back(release, now - BETWEEN + dt.timedelta(hours=1))
        assert await remind_of_deletion() == 0, "a week is given first"
        shown = await rival.get(f"/en/orders/{confirmed}")
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "Delete every copy of it" in page_text(shown)
        for _ in range(2):
            assert (await rival.submit(f"/en/orders/{confirmed}/deletion", {})).status_code == 303
        assert "You confirmed on" in page_text(await rival.get(f"/en/orders/{confirmed}"))
        assert (await rival.submit(f"/en/orders/{unconfirmed}/deletion", {})).status_code == 404, (
            "another partner's order"
        )

        with clock.shifted(STAFF_FROM * BETWEEN):
            for _ in range(2):
                await remind_of_deletion()
        assert await reminders() == [("deletion_due", str(quiet)), ("deletion_missing", "steward")]
        owed = await samir.get("/en/staff/deletions")
        html5lib.HTMLParser(strict=True).parse(owed.text)
        text = page_text(owed)
        assert text.index("Atelier") < text.index("Rival"), "who has not confirmed comes first"
        assert "not confirmed" in text
        with clock.shifted((MOST + 1) * BETWEEN):
            assert await remind_of_deletion() == 0, "reminded often enough"

    key = await create_key(quiet, "erp", key_id=uuid.uuid4(), session="s", scopes="orders")
    transport = httpx.ASGITransport(the_site())
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as program:
        path, bearer = f"/api/v1/orders/{unconfirmed}/deletion", {"Authorization": f"Bearer {key}"}
        first, second = [(await program.post(path, headers=bearer)) for _ in range(2)]
        assert first.status_code == second.status_code == 200
        assert first.json() == second.json()
        assert (await program.post(path)).status_code == 401
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'deletion_confirmed'") == 2
