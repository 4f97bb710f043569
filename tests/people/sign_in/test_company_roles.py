"""Roles in a company: an administrator gives them on its page, and invites with them."""

import html5lib

from marketplace.core.database import execute
from marketplace.people.identity import actions
from marketplace.people.identity.rules import COMPANY_ROLES
from tests.people.builders import PASSWORD, Browser, add_person, make_partner, page_text, person_of
from tests.support.reads import fetch_value

CLAIRE = "claire@atelier.example"


async def test_an_administrator_gives_roles_and_the_page_says_what_each_does() -> None:
    partner = await make_partner()
    claire, max_ = await person_of(CLAIRE), await add_person("Max", partner=partner)
    path, role_of = f"/en/company/people/{max_}/role", "SELECT company_role FROM person WHERE id = $1"
    async with Browser() as browser:
        await browser.sign_in(CLAIRE)
        for role in reversed(COMPANY_ROLES):
            assert (await browser.submit(path, {"role": role})).status_code == 303
            assert await fetch_value(role_of, max_) == role
            for language in ("en", "fr"):
                shown = await browser.get(f"/{language}/company")
                html5lib.HTMLParser(strict=True).parse(shown.text)
            assert f'<option value="{role}" selected>' in shown.text
        assert (await browser.submit(path, {"role": "emperor"})).status_code == 422
        await execute("UPDATE session SET proved_at = now() - interval '1 hour'")
        await browser.submit(path, {"role": "reader"})
        assert await fetch_value(role_of, max_) == "administrator", "a fresh proof is asked"
        await execute("UPDATE session SET proved_at = now()")
        assert (await browser.submit(path, {"role": "reader"})).status_code == 303
        refused = await browser.submit(f"/en/company/people/{claire}/role", {"role": "buyer"})
        assert (refused.status_code, "always has an administrator" in page_text(refused)) == (409, True)
        limit = {"order": "1", "month": "1", "until": "2027-01-01"}
        kept = await browser.submit(f"/en/company/spending/{max_}", limit)
        assert "By their role Max orders nothing" in page_text(kept)
        overview = await browser.get("/en/company/spending")
        assert "Orders nothing, by their role" in page_text(overview)
        assert f"/en/company/spending/{max_}" not in overview.text


async def test_who_is_invited_comes_with_the_role_of_the_invitation() -> None:
    await make_partner()
    async with Browser() as browser:
        await browser.sign_in(CLAIRE)
        invited = {"name": "Eve", "email": "eve@atelier.example", "role": "accountant"}
        odd = await browser.submit("/en/company/people", invited | {"role": "emperor"})
        assert (odd.status_code, 'value="eve@atelier.example"' in odd.text) == (422, True)
        code = (await browser.submit("/en/company/people", invited)).text.split("/en/join/")[1].split("<")[0]
    eve = await actions.accept_invitation(code, PASSWORD, "en")
    assert await fetch_value("SELECT company_role FROM person WHERE id = $1", eve) == "accountant"
