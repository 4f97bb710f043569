"""Asking for data over HTTP: two partners' identical requests are one, neither sees the other, a steward answers."""

import html5lib

from marketplace.catalogue.requests.rules import REQUESTS_A_DAY
from tests.catalogue.builders import make_vetted_partner, open_catalogue, seal_week
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.support.reads import fetch, fetch_value

WANTED = {
    "place": "Croix-Rousse, Confluence",
    "product": "presence",
    "grain": "hour",
    "starts_on": "2026-01-01",
    "ends_on": "2026-03-31",
    "most": "1 250,00",
    "text": "A shop of ours.",
}
SAME = WANTED | {"place": "CONFLUENCE\nCroix Rousse", "most": "900", "text": "Our secret plan"}


async def test_identical_requests_are_one_and_no_partner_reads_another() -> None:
    await open_catalogue()
    await seal_week()
    await make_vetted_partner()
    await make_vetted_partner("bob@rival.example", "Rival")
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    async with Browser() as claire, Browser() as bob, Browser() as samir:
        for browser, email in ((claire, "claire@atelier"), (bob, "bob@rival"), (samir, "samir@partage")):
            await browser.sign_in(f"{email}.example")
        assert "Ask for the data" in page_text(await claire.get("/en/catalogue?search=croix"))
        assert "Croix" in (await claire.get("/en/requests/new?place=Croix")).text
        for field, value, why in (
            ("place", " ,", "Name the zones"),
            ("place", "Croix-Rousse, Confluence\0", "a character that cannot be kept"),
            ("product", "gold", "Choose what is to be counted"),
            ("grain", "year", "Choose by hour"),
            ("starts_on", "soon", "year-month-day"),
            ("ends_on", "2025-01-01", "not before the first"),
            ("ends_on", "2046-01-01", "ten years"),
            ("most", "0", "may cost at most"),
            ("most", "much", "euros"),
            ("text", "x" * 2001, "2000 letters"),
        ):
            wrong = await claire.submit("/en/requests/new", WANTED | {field: value})
            assert wrong.status_code == 422, field
            html5lib.HTMLParser(strict=True).parse(wrong.text)
            assert why in page_text(wrong)
            assert field == "text" or f'id="{field}-error"' in wrong.text
            assert "Our" not in page_text(wrong)
            assert field == "place" or "Croix-Rousse, Confluence" in wrong.text, "what was written is kept"
        first = await claire.submit("/en/requests/new", WANTED, form_id="00000000-0000-4000-8000-000000000001")
        twice = await claire.submit("/en/requests/new", WANTED, form_id="00000000-0000-4000-8000-000000000001")
        second = await bob.submit("/fr/requests/new", SAME)
        changed = await bob.submit("/fr/requests/new", SAME | {"most": "1000"})
        path = first.headers["location"].removeprefix("/en")
        assert {answer.headers["location"][3:] for answer in (first, twice, second, changed)} == {path}
        own = await bob.get(f"/fr{path}")
        assert "À l’étude" in page_text(own)
        assert "1 000,00" in page_text(own).replace("\u202f", " ")
        for page in (own, await bob.get("/fr/requests")):
            assert not any(words in page.text for words in ("Atelier", "A shop of ours", "1 250", "Croix-Rousse,"))
        assert (await samir.get(f"/en{path}")).status_code == 403

        assert "Data asked for: Croix-Rousse" in page_text(await samir.get("/en/inbox"))
        board = page_text(await samir.get("/en/steward/requests"))
        assert "€2,250.00" in board
        page = await samir.get(f"/en/steward{path}")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert all(words in page_text(page) for words in ("Atelier", "Rival", "Our secret plan", "A shop of ours."))
        for form, why in (
            ({"answer": "perhaps"}, "Choose an answer"),
            ({"answer": "refused", "reason_fr": "Non."}, "in both languages"),
            ({"answer": "offered"}, "Name the dataset"),
            ({"answer": "offered", "dataset": "nowhere"}, "no dataset nowhere"),
        ):
            wrong = await samir.submit(f"/en/steward{path}", form)
            assert wrong.status_code in (404, 422)
            assert why in page_text(wrong)
        assert (await samir.submit(f"/en/steward{path}", {"answer": "offered", "dataset": "lyon"})).status_code == 303
        late = await samir.submit(f"/en/steward{path}", {"answer": "call", "dataset": "lyon"})
        assert "answered already" in page_text(late)
        assert "See the dataset" in page_text(await claire.get(f"/en{path}"))
        refused = (await claire.submit("/en/requests/new", WANTED)).headers["location"][3:]
        assert refused != path, "what is answered is asked again"
        form = {"answer": "refused", "reason_fr": "Trop petit.", "reason_en": "Too small."}
        assert (await samir.submit(f"/en/steward{refused}", form)).status_code == 303
        assert "Trop petit." in page_text(await claire.get(f"/fr{refused}"))
        call = (await claire.submit("/en/requests/new", WANTED | {"grain": "day"})).headers["location"][3:]
        await samir.submit(f"/en/steward{call}", {"answer": "call", "dataset": "lyon"})
        assert "We ask subscribers" in page_text(await claire.get(f"/en{call}"))
        assert "Contributors are asked" in page_text(await samir.get("/en/steward/requests"))
        for day in range(REQUESTS_A_DAY):
            most = await claire.submit("/en/requests/new", WANTED | {"ends_on": f"2026-05-{day + 1:02d}"})
        assert most.status_code == 409
        assert "20 times within a day" in page_text(most)
    sent = await fetch("SELECT kind, count(*) AS many FROM message WHERE kind LIKE '%request%' GROUP BY 1 ORDER BY 1")
    assert {row["kind"]: row["many"] for row in sent}["request_answered"] == 4
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'request_answered'") == 3
