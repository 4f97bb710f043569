"""Staff come by a link, with a password of their own, and go at once, even with all that they still have in their hands."""

import os
import re
import subprocess
import sys

import pytest

from marketplace.core.errors import Conflict, NotFound
from marketplace.people.identity import actions, staff
from tests.people.builders import PASSWORD, Browser, make_partner, page_text
from tests.support.reads import fetch, fetch_value

SAM = "sam@operator.example"
OTHER_PASSWORD = "quite another long phrase"


async def test_the_first_steward_comes_by_a_link_and_chooses_a_password() -> None:
    code = await staff.invite_staff(" Sam@operator.example", "Sam", "steward")
    assert not await fetch("SELECT 1 FROM invitation WHERE code_hash = $1", code)
    async with Browser() as browser:
        assert SAM in page_text(await browser.get(f"/en/join/{code}"))
        entered = await browser.submit(f"/en/join/{code}", {"password": PASSWORD})
        assert entered.headers["location"] == "/en/start"
        assert (await browser.get("/en/partners")).status_code == 200
    verbs = [row["verb"] for row in await fetch("SELECT verb FROM staff_action WHERE area = 'access' ORDER BY id")]
    assert verbs == ["invite_staff", "person_added", "signed_in"]
    with pytest.raises(Conflict):
        await staff.invite_staff(SAM, "Sam", "finance")


async def test_a_second_link_ends_the_first() -> None:
    first = await staff.invite_staff(SAM, "Sam", "steward")
    second = await staff.invite_staff(SAM, "Sam", "auditor")
    with pytest.raises(NotFound):
        await actions.accept_invitation(first, PASSWORD, "en")
    await actions.accept_invitation(second, PASSWORD, "en")
    assert await fetch_value("SELECT staff_role FROM person WHERE email = $1", SAM) == "auditor"


async def test_one_who_has_ended_is_out_at_once_and_may_start_again_as_the_same_person() -> None:
    code = await staff.invite_staff(SAM, "Sam", "steward")
    async with Browser() as browser:
        await browser.submit(f"/en/join/{code}", {"password": PASSWORD})
        await staff.end_staff(SAM)
        assert (await browser.get("/en/partners")).status_code == 303
        assert (await browser.sign_in(SAM)).status_code == 401
        assert (await browser.submit(f"/en/join/{code}", {"password": PASSWORD})).status_code in {404, 410}
        assert (await browser.get("/en/partners")).status_code == 303
    with pytest.raises(NotFound):
        await staff.end_staff(SAM)
    before = await fetch_value("SELECT id FROM person")
    again = await staff.invite_staff(SAM, "Sam", "finance")
    assert await actions.accept_invitation(again, OTHER_PASSWORD, "en") == before
    async with Browser() as browser:
        assert (await browser.sign_in(SAM, PASSWORD)).status_code == 401
        assert (await browser.sign_in(SAM, OTHER_PASSWORD)).headers["location"] == "/en/start"


async def test_an_invitation_is_ended_too_and_only_staff_are() -> None:
    code = await staff.invite_staff(SAM, "Sam", "steward")
    await staff.end_staff(SAM)
    with pytest.raises(NotFound):
        await actions.accept_invitation(code, PASSWORD, "en")
    await make_partner(email="claire@atelier.example")
    with pytest.raises(NotFound):
        await staff.end_staff("claire@atelier.example")


@pytest.mark.long
def test_the_command_prints_a_link_lists_and_ends(database_url: str) -> None:
    def command(*words: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "marketplace", "staff", *words],
            env=os.environ | {"DATABASE_URL": database_url, "PARTAGE_URL": "https://partage.example"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert re.match(
        r"https://partage\.example/join/[\w-]{43}\n", command("add", SAM, "--name", "Sam", "--role", "steward")
    )
    assert "steward  sam@operator.example  Sam  invited" in command("list")
    assert "No steward is left" in command("end", SAM)
