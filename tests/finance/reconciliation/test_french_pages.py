"""What a French clerk reads of the books has no English of Stripe's or of a program in it."""

import ast
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.core.web.i18n import language
from marketplace.money.ledger.base_pages import named, written
from tests.finance.builders.pages import signed_in
from tests.people.builders import page_text
from tests.support.reads import fetch_value
from tests.support.scenes import sell_named

BANK = Path(__file__).resolve().parents[3] / "marketplace/finance/bank"


@pytest.fixture
def in_french() -> Iterator[None]:
    """Have pages be French."""
    before = language.set("fr")
    yield
    language.reset(before)


def reasons() -> set[str]:
    """Return the reasons that the bank's modules write to a match."""
    given = [
        keyword.value
        for path in BANK.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "reasons"
    ]
    return {one.value for value in given for one in ast.walk(value) if isinstance(one, ast.Constant)}


@pytest.mark.usefixtures("in_french")
def test_each_reason_of_a_match_has_words() -> None:
    assert {"reference_found", "chosen"} <= reasons()
    assert {code for code in reasons() if named(code) == code.replace("_", " ")} == set()


@pytest.mark.usefixtures("in_french")
def test_the_trail_writes_instants_as_people_do() -> None:
    assert written("ends_at", "2027-01-27T09:15:09.298528+00:00") == "27 janv. 2027, 10:15"
    assert written("ends_at", dt.date(2027, 1, 27)) == "2027-01-27"
    assert written("ends_at", "soon") == "soon"
    assert {named(field) for field in ("ends_at", "months", "percent_off", "dataset")} == {
        "Prend fin",
        "Mois",
        "Remise en %",
        "Jeu de données",
    }


@pytest.mark.usefixtures("stripe")
async def test_entries_of_stripes_are_called_by_their_label_and_its_number() -> None:
    await sell_named("french")
    entry = await fetch_value("SELECT id FROM journal_entry WHERE kind = 'stripe_charge'")
    async with await signed_in("finance") as clerk:
        for path in ("journal", f"journal/{entry}", "accounts/517000"):
            shown = page_text(await clerk.get(f"/fr/finance/{path}"))
            assert "Stripe : paiement" in shown
            assert "Stripe charge" not in shown, path
            assert " ch_" in shown, "with its number"
