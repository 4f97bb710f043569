"""Messages: written with their fact or not at all, once each, read in either language by those they are for."""

import asyncio
import datetime as dt
import re
import uuid

import asyncpg
import pytest

from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.words import Words, french_texts
from marketplace.people.identity import actions as identity
from marketplace.people.message_kinds import FACTORS_CHANGED, NEW_DEVICE, PARTNER_VETTED
from marketplace.people.messages.actions import mark_read, send
from marketplace.people.messages.queries import in_words, list_messages
from marketplace.people.messages.registry import KINDS
from marketplace.people.messages.rules import TOKEN, MessageKind, Recipient
from tests.people.builders import Browser, make_partner, page_text
from tests.support.owner import as_owner
from tests.support.source import imports_of, product_files

READER = uuid.uuid4()
ADA, BOB = Recipient("person", "ada"), Recipient("person", "bob")


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_kind_has_the_same_fields_in_both_languages(kind: MessageKind) -> None:
    details = dict.fromkeys(kind.fields() | {TOKEN}, "x")
    for language in ("fr", "en"):
        assert kind.subject.filled(language, details)
        assert kind.body.filled(language, details)
    assert kind.path.format_map(details).startswith("/")


def test_a_kind_whose_languages_differ_in_a_field_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(french_texts(), "Hello {name}", "Bonjour")
    with pytest.raises(AssertionError, match="its French"):
        Words("Hello {name}").fields()


def test_lists_of_kinds_import_no_more_than_words_and_what_a_kind_is() -> None:
    """The registry loads those of the districts above it."""
    lists = [path for path in product_files() if path.endswith("/message_kinds.py")]
    allowed = {"__future__", "typing", "marketplace.core.words", "marketplace.people.messages.rules"}
    assert {module for path in lists for module, _ in imports_of(path)} == allowed


async def test_a_message_is_written_once_and_with_its_fact() -> None:
    with pytest.raises(AssertionError, match="in the transaction"):
        await send(PARTNER_VETTED, 1, [ADA], company="Atelier")
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            await send(PARTNER_VETTED, 1, [ADA], company="Atelier")
            _ = 1 // 0
    assert (await list_messages([ADA], READER, "en", 1)).rows == []
    for _ in range(2):
        async with transaction():
            await send(PARTNER_VETTED, 1, [ADA, BOB], company="Atelier")
    [message] = (await list_messages([ADA], READER, "en", 1)).rows
    assert "Atelier is vetted" in message.body
    assert "est vérifiée" in (await list_messages([ADA], READER, "fr", 1)).rows[0].body
    for _ in range(2):
        await mark_read([message.id], READER)
    assert (await list_messages([ADA], READER, "en", 1)).rows[0].is_read
    assert not (await list_messages([ADA, BOB], uuid.uuid4(), "en", 1)).rows[0].is_read
    assert len((await list_messages([ADA, BOB], READER, "en", 1)).rows) == 2
    with pytest.raises(asyncpg.RestrictViolationError):
        await as_owner("UPDATE message SET recipient = 'eve'")


async def test_details_are_exactly_what_the_words_need() -> None:
    async with transaction():
        with pytest.raises(AssertionError, match="needs"):
            await send(PARTNER_VETTED, 1, [ADA])
        with pytest.raises(AssertionError, match="needs"):
            await send(PARTNER_VETTED, 1, [ADA], company="Atelier", secret="x")
        with pytest.raises(AssertionError, match="not registered"):
            await send(MessageKind("toy", "/", Words("a"), Words("a")), 1, [ADA])


async def test_an_instant_reads_by_the_clock_of_paris_in_the_readers_language() -> None:
    summer, winter = "2026-07-24T22:30:07.000001+00:00", "2026-11-27T23:05:00+00:00"
    async with transaction():
        await send(FACTORS_CHANGED, 1, [ADA], at=summer)
        await send(NEW_DEVICE, 2, [ADA], at=winter)
    french = {row.path: row.body for row in (await list_messages([ADA], READER, "fr", 1)).rows}
    assert "Le 25 juillet 2026 à 00:30, heure de Paris, une application" in french["/profile/factors"]
    assert "le 28 novembre 2026 à 00:05, heure de Paris. Si ce" in french["/profile"]
    english = in_words("factors_changed", "1", f'{{"at": "{summer}"}}', "en")
    assert english.body.startswith("On 25 July 2026 at 00:30, Paris time, an app")


async def test_a_partner_reads_the_decisions_about_it_and_nobody_else_does() -> None:
    ours = await make_partner()
    await make_partner("Other", "eve@other.example")
    await asyncio.gather(*(identity.refuse_partner(ours, "No such company.") for _ in range(2)))
    await identity.vet_partner(ours, "Ada")
    await identity.vet_partner(ours, "Ada")
    async with Browser() as claire, Browser() as eve:
        await claire.sign_in("claire@atelier.example")
        shown = page_text(await claire.get("/en/inbox"))
        assert shown.index("Your company may buy") < shown.index("Reason: No such company.")
        assert shown.count("Your company may buy") == 1
        assert shown.count("New") == 2
        again = page_text(await claire.get("/fr/inbox"))
        assert "Votre entreprise peut acheter" in again
        assert "Nouveau" not in again
        await eve.sign_in("eve@other.example")
        assert "No messages yet." in page_text(await eve.get("/en/inbox"))
    async with Browser() as stranger:
        assert (await stranger.get("/en/inbox")).status_code == 303


async def test_the_count_beside_messages_is_how_many_their_page_calls_new() -> None:
    ours = await make_partner()
    await identity.refuse_partner(ours, "No such company.")
    with clock.shifted(dt.timedelta(days=91)):
        await identity.vet_partner(ours, "Ada")
        async with Browser() as claire:
            await claire.sign_in("claire@atelier.example")
            counted = re.findall(r'badge accent">(\d+)', (await claire.get("/en/orders")).text)
            shown = page_text(await claire.get("/en/inbox"))
    assert "Reason: No such company." in shown, "what is older is still there"
    assert [str(shown.count(" New "))] == counted
