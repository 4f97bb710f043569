"""What people get by mail: chosen on a page, or stopped by the link in a letter, without signing in."""

import os
import re
import uuid
from pathlib import Path

import pytest

from marketplace.core.database import transaction
from marketplace.core.settings import settings
from marketplace.core.words import Words, french_texts
from marketplace.people.identity import actions as identity
from marketplace.people.mail import actions as mail
from marketplace.people.mail.queries import list_stopped
from marketplace.people.mail.writing import Stop, stop_link
from marketplace.people.messages import registry
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import MessageKind, Recipient
from tests.people.builders import PASSWORD, Browser, add_staff, make_known_partner, open_post_office, page_text
from tests.support.reads import fetch_value

TOY = MessageKind(
    "toy_news",
    "/catalogue",
    subject=Words("There is news"),
    body=Words("There is something new."),
    may_stop=Words("News to try"),
)


@pytest.fixture
def toy_message(registries: pytest.MonkeyPatch) -> MessageKind:
    """Register a kind whose mail people may stop."""
    registries.setitem(registry.KINDS, TOY.code, TOY)
    registries.setitem(french_texts(), "News to try", "Nouveautés d’essai")
    return TOY


async def news(number: int, partner: uuid.UUID) -> None:
    async with transaction():
        await send(TOY, number, [Recipient("partner", str(partner))])
    await mail.send_mail()


@pytest.mark.usefixtures("database_url")
async def test_one_click_in_a_letter_stops_its_kind_and_the_inbox_keeps_it(toy_message: MessageKind) -> None:
    partner = await make_known_partner()
    with open_post_office() as office:
        await news(1, partner)
        [(_, _, letter)] = office.letters
        assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        link = re.fullmatch(r"<(.+)>", letter["List-Unsubscribe"])
        assert link
        path = link[1].removeprefix(settings().url)
        async with Browser() as program:
            assert toy_message.may_stop
            assert "Nouveautés d’essai" in page_text(await program.get(path))
            await news(2, partner)
            assert len(office.letters) == 2, "looking at a link stops nothing"
            done = await program.client.post(path, data={"List-Unsubscribe": "One-Click"})
            assert done.status_code == 200
            again = await program.client.post(path, data={"List-Unsubscribe": "One-Click"})
            assert again.status_code == 200
            forged = path.rpartition(".")[0] + "." + "A" * 43
            assert (await program.client.post(forged)).status_code == 404
            for nonsense in ("x", "x.y", f"{uuid.uuid4().hex}.toy_news.é"):
                assert (await program.get(f"/en/stop-mail/{nonsense}")).status_code == 404
        await news(3, partner)
        assert len(office.letters) == 2
    async with Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        assert page_text(await claire.get("/en/inbox")).count("There is something new.") == 3


@pytest.mark.usefixtures("database_url")
async def test_a_page_chooses_kinds_and_every_page_counts_what_is_unread(toy_message: MessageKind) -> None:
    partner = await make_known_partner()
    person = await fetch_value("SELECT id FROM person WHERE partner = $1", partner)
    async with Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        assert toy_message.may_stop
        assert "unread" not in page_text(await claire.get("/en/catalogue"))
        await news(1, partner)
        assert "1 unread" in page_text(await claire.get("/en/catalogue"))
        await claire.get("/en/inbox")
        assert "unread" not in page_text(await claire.get("/en/catalogue"))
        page = await claire.get("/en/inbox/choices")
        assert re.search(r'value="toy_news" checked', page.text)
        await claire.submit("/en/inbox/choices", {})
        assert "toy_news" in await list_stopped(person)
        assert not re.search(r'value="toy_news" checked', (await claire.get("/en/inbox/choices")).text)
        await claire.submit("/en/inbox/choices", {"wanted": "toy_news"})
        assert "toy_news" not in await list_stopped(person)


@pytest.mark.usefixtures("database_url")
async def test_nobody_stops_what_a_contract_wants_known() -> None:
    person = uuid.uuid4()
    await mail.stop_mail(person, ["partner_vetted", "nonsense"])
    assert await list_stopped(person) == set()
    async with Browser() as browser:
        path = stop_link(Stop(person, "partner_vetted"), "en").removeprefix(settings().url)
        await browser.client.post(path)
    assert await list_stopped(person) == set()


@pytest.mark.usefixtures("database_url")
async def test_the_demos_letters_are_read_on_a_page(tmp_path: Path) -> None:
    os.environ |= {"SMTP_URL": tmp_path.as_uri(), "PARTAGE_ONE_CLICK": "1"}
    settings.cache_clear()
    await identity.vet_partner(await make_known_partner(), "a steward")
    for _ in range(2):
        await mail.send_mail()
    async with Browser() as anyone:
        listed = await anyone.get("/en/demo/mail")
        assert "claire@atelier.example" in listed.text
        [path] = re.findall(r'href="(/en/demo/mail/[^"]+)"', listed.text)
        assert "Votre entreprise Atelier est vérifiée." in page_text(await anyone.get(path))
        assert (await anyone.get(f"/en/demo/mail/{uuid.uuid4()}")).status_code == 404
        os.environ["PARTAGE_ONE_CLICK"] = "0"
        settings.cache_clear()
        assert (await anyone.get("/en/demo/mail")).status_code == 404
        assert (await anyone.get(path)).status_code == 404


@pytest.mark.usefixtures("database_url")
async def test_staff_choose_too(toy_message: MessageKind) -> None:
    await add_staff("ada@staff.example", "Ada", "steward", PASSWORD)
    async with Browser() as ada:
        await ada.sign_in("ada@staff.example")
        assert toy_message.may_stop
        assert toy_message.may_stop.en in page_text(await ada.get("/en/inbox/choices"))
