"""One human with two accounts: what says so is named where two people must decide, and in the trail."""

import uuid

from marketplace.finance.bookkeeping.trail import list_actions
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.likeness import signs_of_one_human
from tests.finance.builders.statements import Entry, bank_says
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.support.decisions import decide

WHY = "line_unexplained"


async def test_two_accounts_of_one_human_are_named_where_two_people_decide() -> None:
    nora = await add_staff("nora@operator.example", "Nora Petit", "finance", PASSWORD)
    other = await add_staff("nora+2@mail.example", "nora petit ", "finance", PASSWORD)
    paul = await add_staff("paul@operator.example", "Paul", "finance", PASSWORD)
    assert await signs_of_one_human(nora, paul) == []
    assert await signs_of_one_human(nora, nora) == []
    assert await signs_of_one_human(nora, None) == []
    assert await signs_of_one_human(nora, other) == ["name", "address"]
    first, second = await bank_says(Entry(-37, "B1"), Entry(-38, "B2"))
    for line, form in ((first, uuid.UUID(int=1)), (second, uuid.UUID(int=2))):
        actor = Actor(name="Nora", person=nora, role="finance")
        await propose_write_off(WHY, str(line), actor, reason="Too small.", form_id=form)
    async with Browser() as browser:
        await browser.sign_in("nora@operator.example")
        await browser.submit("/en/sign-out", {})
        await browser.sign_in("paul@operator.example")
        assert await signs_of_one_human(paul, nora) == ["browser"], "one has signed in where the other did"
        shown = page_text(await browser.get(f"/en/finance/exception?why={WHY}&subject={first}"))
        assert "You and Nora Petit have a browser in common." in shown
    await decide(uuid.UUID(int=1), Actor(name="Paul", person=paul, role="finance"), approve=True)
    await decide(uuid.UUID(int=2), Actor(name="nora", person=other, role="finance"), approve=False)
    decided = [row.became["alike"] for row in (await list_actions()).rows if "alike" in row.became]
    assert decided == ["name, address", "browser"]
