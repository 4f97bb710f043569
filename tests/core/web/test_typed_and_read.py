"""What people type and what becomes of it: passwords unseen, fields read from one place, and no text of theirs a template."""

import ast
import re

import pytest

from marketplace.core.database import fetch_scalar
from marketplace.core.errors import Invalid
from marketplace.people.identity.tables import Person
from tests.people.builders import PASSWORD, Browser, make_partner
from tests.support.source import ROOT, product_files

EMAIL = "claire@atelier.example"
REFUSALS = {"Refusal", "Invalid", "NotAllowed", "NotFound", "Conflict", "Expired", "Unavailable", "WrongSecret"}


@pytest.mark.long
def test_neither_templates_nor_sentences_are_made_of_what_came_in() -> None:
    """Templates are files of ours; a refusal's sentence is written in the code, and what it names is filled in after."""
    for path in product_files():
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr != "from_string", path
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in REFUSALS
                and node.keywords
            ):
                assert not isinstance(node.args[0], ast.JoinedStr), (path, node.lineno)
    assert str(Invalid("There is no {what}.", what="{0.__class__} {what}")) == "There is no {0.__class__} {what}."


@pytest.mark.parametrize("page", ["/en/sign-in", "/en/sign-up", "/en/activate"])
async def test_passwords_are_typed_unseen_and_may_be_pasted_by_a_manager(page: str) -> None:
    async with Browser() as browser:
        shown = (await browser.get(page)).text
    fields = [field for field in re.findall(r"<input[^>]*>", shown) if 'name="password"' in field]
    assert fields
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
    for file in (*ROOT.glob("marketplace/**/*.html"), *ROOT.glob("marketplace/core/web/static/*.js")):
        assert not re.search(r"onpaste|['\"]paste['\"]", file.read_text()), file


async def test_a_field_of_a_form_is_read_from_its_body_alone() -> None:
    await make_partner(email=EMAIL)
    async with Browser() as browser:
        for wrong in ({}, {"email": EMAIL, "password": "another sentence"}):
            answer = await browser.submit(f"/en/sign-in?email={EMAIL}&password={PASSWORD.replace(' ', '%20')}", wrong)
            assert answer.status_code in (400, 401, 422)
            assert not browser.session()
        assert (await browser.sign_in(EMAIL)).status_code == 303
    assert await fetch_scalar(int, "SELECT count(*) FROM session WHERE person IS NOT NULL") == 1


def test_nobody_has_a_secret_question() -> None:
    names = [column._meta.name for column in Person._meta.columns]
    assert not [name for name in names if re.search("question|hint|answer|birth|maiden", name)]
