"""Legal pages say who is who and name what is missing; a question reaches the operator's mailbox and staff."""

import datetime as dt
import os
import uuid
from pathlib import Path

import pytest

from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.people.mail.actions import send_mail
from marketplace.subscribers.legal import actions as legal
from marketplace.subscribers.legal.rules import missing
from tests.people.builders import PASSWORD, Browser, add_staff, make_partner, open_post_office, page_text
from tests.support.reads import fetch_value


@pytest.mark.parametrize("name", ["notice", "terms", "privacy", "cookies"])
@pytest.mark.usefixtures("database_url")
async def test_a_page_names_what_is_missing_until_it_is_set(name: str) -> None:
    async with Browser() as anyone:
        assert "CONTACT_EMAIL" in page_text(await anyone.get(f"/fr/legal/{name}"))
        os.environ |= {
            "CONTACT_EMAIL": "aide@operator.example",
            "CONTACT_PHONE": "01 23 45 67 89",
            "LEGAL_DIRECTOR": "Ada Martin",
            "LEGAL_HOST": "Hébergeur SA",
            "DPO_CONTACT": "dpo@operator.example",
        }
        settings.cache_clear()
        assert missing(settings()) == []
        complete = page_text(await anyone.get(f"/fr/legal/{name}"))
        assert "à compléter" not in complete
        assert "CONTACT_EMAIL" not in complete
        assert (await anyone.get("/fr/legal/nonsense")).status_code == 404


@pytest.mark.usefixtures("database_url")
async def test_the_operators_own_text_replaces_ours_and_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "terms.fr.md").write_text("# Nos conditions\n\n<script>alert(1)</script>")
    os.environ["LEGAL_TEXTS"] = str(tmp_path)
    settings.cache_clear()
    async with Browser() as anyone:
        french, english = await anyone.get("/fr/legal/terms"), await anyone.get("/en/legal/terms")
    assert "<h1>Nos conditions</h1>" in french.text
    assert "<script>alert" not in french.text
    assert "What is forbidden" in english.text, "where there is no text in a language, ours is shown"


@pytest.mark.usefixtures("database_url")
async def test_the_privacy_notice_lists_the_purposes_in_force() -> None:
    async with Browser() as anyone:
        assert "nobody’s data is used" in page_text(await anyone.get("/en/legal/privacy"))
        purpose = await consent.define_purpose(
            "presence", "statistics", title_fr="Présence", title_en="Presence statistics"
        )
        assert "Presence statistics" not in page_text(await anyone.get("/en/legal/privacy")), "it has no notice yet"
        await consent.publish_notice(purpose, text_fr="Nous comptons.", text_en="We count people by the hour.")
        assert "We count people by the hour." in page_text(await anyone.get("/en/legal/privacy"))
        assert 'href="/en/legal/privacy"' in (await anyone.get("/en/sign-in")).text


@pytest.mark.usefixtures("database_url")
async def test_a_question_reaches_the_operator_with_its_order_named() -> None:
    await make_partner()
    await add_staff("ada@staff.example", "Ada", "steward", PASSWORD)
    with open_post_office() as office:
        os.environ["CONTACT_EMAIL"] = "aide@operator.example"
        settings.cache_clear()
        async with Browser() as claire, Browser() as ada:
            await claire.sign_in("claire@atelier.example")
            form = await claire.get("/en/help?about=P-2026-000007")
            assert 'value="P-2026-000007"' in form.text
            assert 'value="claire@atelier.example"' in form.text
            fields = {"email": "claire@atelier.example", "about": "P-2026-000007", "text": "Where is <my> money?"}
            once = str(uuid.uuid4())
            for _ in range(2):
                assert (await claire.submit("/en/help", fields, form_id=once)).status_code == 303
            await send_mail()
            assert sorted(to for _, to, _ in office.letters) == ["ada@staff.example", "aide@operator.example"]
            assert all("P-2026-000007" in letter["Subject"] for _, _, letter in office.letters)
            assert all("money" not in letter.as_string() for _, _, letter in office.letters), "its page has the text"
            question = await fetch_value("SELECT id FROM question")
            await ada.sign_in("ada@staff.example")
            shown = await ada.get(f"/en/staff/questions/{question}")
            assert "Where is &lt;my&gt; money?" in shown.text
            assert 'href="mailto:claire@atelier.example?subject=' in shown.text
            assert "Asked by Somebody who was signed in" in page_text(shown)
            await ada.submit(f"/en/staff/questions/{question}/answered", {})
            assert "It was answered" in page_text(await ada.get("/en/staff/questions"))
            assert await fetch_value("SELECT answered_at IS NOT NULL FROM question")
            assert (await claire.get("/en/staff/questions")).status_code == 403


@pytest.mark.usefixtures("database_url")
async def test_a_strangers_address_is_one_recipient_and_says_that_nobody_showed_it() -> None:
    await add_staff("ada@staff.example", "Ada", "steward", PASSWORD)
    fields = {"email": "victim%40corp.example?cc=eve@evil.example", "about": "P-2026-000007", "text": "\x00<b>Hello"}
    async with Browser() as eve, Browser() as ada:
        assert (await eve.submit("/en/help", fields)).status_code == 303
        for wrong in ("eve@evil.example\r\nBcc: ada@staff.example", "eve\x00@evil.example", "<b>@evil.example"):
            assert (await eve.submit("/en/help", fields | {"email": wrong})).status_code == 422
        await ada.sign_in("ada@staff.example")
        shown = await ada.get(f"/en/staff/questions/{await fetch_value('SELECT id FROM question')}")
    assert 'href="mailto:victim%2540corp.example%3Fcc%3Deve@evil.example?subject=' in shown.text
    assert "&lt;b&gt;Hello" in shown.text
    assert "A stranger: nothing shows that the address, the order or the line is theirs" in page_text(shown)


@pytest.mark.usefixtures("database_url")
async def test_questions_are_bounded_and_end() -> None:
    async with Browser() as anyone:
        for text in ("", "x" * 4001):
            answer = await anyone.submit("/en/help", {"email": "eve@example.org", "text": text})
            assert answer.status_code == 422
        statuses = [
            (await anyone.submit("/en/help", {"email": "eve@example.org", "text": "Hello"})).status_code
            for _ in range(6)
        ]
        assert statuses == [303] * 5 + [409]
        assert (await anyone.get("/en/help?about=<b>")).status_code == 200
    await make_partner(email="eve@example.org")
    async with Browser() as eve:
        await eve.sign_in("eve@example.org")
        asked = [
            (await eve.submit("/en/help", {"email": "eve@example.org", "text": "It was not me"})).status_code
            for _ in range(6)
        ]
        assert asked == [303] * 5 + [409], "what strangers asked under her address keeps her from nothing"
    assert await legal.delete_old_questions() == 0
    with clock.shifted(dt.timedelta(days=397)):
        assert await legal.delete_old_questions() == 10
