"""A subscriber who has lost their mailbox gets back in by a new letter of the operator's: as who they were, once, and seen."""

import asyncio
import csv
from pathlib import Path

import pytest

from marketplace.core.errors import Conflict, NotAllowed, NotFound
from marketplace.people.identity import actions as identity
from marketplace.people.identity import credentials
from marketplace.people.mail.actions import send_mail
from marketplace.people.sign_in.address_changes import answer
from marketplace.people.sign_in.way_back import replace_address
from marketplace.subscribers.operators.letters import write_letters
from tests.people.builders import (
    PASSWORD,
    Browser,
    add_staff,
    email_of,
    make_partner,
    open_post_office,
    page_text,
    path_in_letter,
)
from tests.support.reads import fetch_value

OLD, NEW, BETTER = "lucie@gone.example", "lucie@new.example", "eleven purple lanterns"


async def code_for(line: int, out: Path) -> str:
    await write_letters(out, [line], to_holders=True)
    [row] = csv.DictReader((await asyncio.to_thread(out.read_text)).splitlines())
    return row["code"]


@pytest.mark.usefixtures("database_url")
async def test_a_new_letter_lets_a_lines_holder_back_in_once(tmp_path: Path) -> None:
    await identity.add_subscribers([7, 8])
    [(_, first)] = await identity.issue_activation_codes([7])
    lucie = await identity.claim_line(7, first, email=OLD, name="Lucie", password=PASSWORD)
    await credentials.confirm_email(lucie)
    for line in (8, 9):
        with pytest.raises(NotFound, match="holds"):
            await write_letters(tmp_path / "no.csv", [line], to_holders=True)
    with pytest.raises(NotFound, match="claimed"):
        await write_letters(tmp_path / "no.csv", [7])
    lost, code = await code_for(7, tmp_path / "a.csv"), await code_for(7, tmp_path / "b.csv")
    form = {"reference": "7", "email": NEW, "name": "Lucie", "password": BETTER}
    with open_post_office() as office:
        async with Browser() as stranger, Browser() as lucies:
            await stranger.sign_in(OLD)
            assert (await lucies.submit("/en/activate", {**form, "code": lost})).status_code == 401, "replaced"
            assert (await lucies.submit("/en/activate", {**form, "code": code, "password": "7"})).status_code == 422
            entered = await lucies.submit("/en/activate", {**form, "code": code})
            assert entered.headers["location"] == "/en/earnings"
            assert await fetch_value("SELECT id FROM person WHERE subscriber = 7") == lucie, "as who she was"
            assert (await stranger.get("/en/profile")).status_code == 303, "every other session has ended"
            assert (await stranger.sign_in(OLD)).status_code == 401
            again = {**form, "code": code, "password": "another violet evening"}
            assert (await stranger.submit("/en/activate", again)).status_code == 401, "a code works once"
            assert await email_of(lucie) == NEW
            undo = (await path_in_letter(office, OLD)).rpartition("/")[2]
            await answer("undo", undo, agrees=False)
            assert await email_of(lucie) == OLD, "a stolen letter is undone by the mailbox they had"
            assert (await lucies.get("/en/profile")).status_code == 303
    await send_mail()
    verbs = (
        "SELECT string_agg(verb, ' ' ORDER BY id) FROM staff_action WHERE verb LIKE 'way%' OR verb = 'password_reset'"
    )
    assert await fetch_value(verbs) == "way_back_made way_back_made password_reset"


@pytest.mark.usefixtures("database_url")
async def test_a_letter_that_nobody_used_goes_with_the_person(tmp_path: Path) -> None:
    await identity.add_subscribers([7])
    [(_, first)] = await identity.issue_activation_codes([7])
    lucie = await identity.claim_line(7, first, email=OLD, name="Lucie", password=PASSWORD)
    code = await code_for(7, tmp_path / "a.csv")
    await identity.erase_person(lucie)
    async with Browser() as finder:
        form = {"reference": "7", "email": NEW, "name": "Eve", "password": BETTER, "code": code}
        assert "do not belong together" in page_text(await finder.submit("/en/activate", form))


async def test_the_only_person_of_a_company_gets_another_address_of_the_operator() -> None:
    await make_partner(email=OLD)
    claire = await fetch_value("SELECT id FROM person WHERE email = $1", OLD)
    await credentials.confirm_email(claire)
    await add_staff("sam@operator.example", "Sam", "steward", PASSWORD)
    await make_partner("Other", "other@atelier.example")
    await credentials.confirm_email(await fetch_value("SELECT id FROM person WHERE email = 'other@atelier.example'"))
    for old, new, why in (
        ("nobody@gone.example", NEW, NotFound),
        ("sam@operator.example", NEW, NotAllowed),
        (OLD, "other@atelier.example", Conflict),
    ):
        with pytest.raises(why):
            await replace_address(old, new)
    with open_post_office() as office:
        async with Browser() as thief, Browser() as hers:
            await thief.sign_in(OLD)
            await replace_address(OLD, NEW)
            assert (await thief.get("/en/profile")).status_code == 303, "every session has ended"
            await hers.submit("/en/reset", {"email": NEW})
            assert await email_of(claire) == NEW
            undo = (await path_in_letter(office, OLD)).rpartition("/")[2]
            letters = [letter.get_body(("plain",)).get_content() for _, to, letter in office.letters if to == NEW]
            assert [text for text in letters if "/reset/" in text], "a link goes to the mailbox she has"
            await answer("undo", undo, agrees=False)
            assert await email_of(claire) == OLD, "somebody else had called: the mailbox says no"
