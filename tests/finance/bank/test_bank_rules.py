"""A clerk makes a rule from a bank line, sees it on past lines, another agrees, and lines like it are booked from then on."""

import datetime as dt
import re
import uuid

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.errors import NotFound
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.matching import undo_matches
from marketplace.finance.bank.rule_actions import book_by_rules
from marketplace.finance.bank.rule_proposals import propose_rule
from marketplace.finance.task_kinds import DECISION
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from tests.finance.builders.pages import signed_in
from tests.finance.builders.statements import DAY, Entry, Statement
from tests.people.builders import kinds_written, make_staff, page_text
from tests.support.decisions import buttons_of, decide
from tests.support.reads import fetch, fetch_value

RULES = "/en/finance/bank/rules"


async def send_rule(visitor: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="_csrf_token" value="([^"]+)"', (await visitor.get("/en/finance/bank")).text)
    assert token
    return await visitor.post(path, data={"_csrf_token": token.group(1), "form_id": str(uuid.uuid4()), **fields})


async def lines_of(*entries: Entry, number: int, opening: int) -> int:
    """Import a day's statement and return what the account balance_minor at its end."""
    day = DAY + dt.timedelta(days=number)
    for entry in entries:
        entry.day = day
    given = Statement(list(entries), opening=opening, name=f"S{number}", message=f"M{number}", day=day, sequence=number)
    await import_bank_statement(given.xml(), person=None, new_account=True)
    return opening + sum(entry.amount for entry in entries)


async def test_a_rule_is_tried_on_past_lines_decided_by_another_and_books_what_comes() -> None:
    balance_minor = await lines_of(
        Entry(-1_250, "B1", words="COTISATION compte pro sept"),
        Entry(-1_250, "B2", words="Cotisation compte pro oct"),
        Entry(-90_000, "B3", words="COTISATION foncière"),
        Entry(1_250, "B4", words="Cotisation rendue"),
        number=1,
        opening=500_000,
    )
    ids = {row["reference"]: row["id"] for row in await fetch("SELECT id, reference FROM bank_line")}
    await settle_line(ids["B1"], [("fee", chart.SUPPLIERS, -1_250)], await make_staff("Cleo"))
    new = f"{RULES}/new?line={ids['B2']}"
    async with await signed_in("finance") as ada, await signed_in("finance") as bob, await signed_in("auditor") as eve:
        assert "No rule yet" in page_text(await eve.get(RULES))
        assert "Always book this as …" in page_text(await ada.get(f"/en/finance/bank/lines/{ids['B2']}"))
        tried = page_text(await ada.get(f"{new}&words=cotisation&account={chart.BANK_CHARGES}&most=25"))
        assert "2 lines" in tried
        assert "1 of them is booked on another account" in tried
        assert "open: the rule books it" in tried
        assert "B3" not in tried
        assert "B4" not in tried
        assert "No line has these words" in page_text(await ada.get(f"{new}&words=xyz"))
        assert "2 lignes" in page_text(await ada.get(new.replace("/en/", "/fr/")))
        rule = {"words": "cotisation", "account": chart.BANK_CHARGES, "most": "25", "reason": "The bank's fee."}
        for wrong in ({"words": "a"}, {"most": "0"}, {"account": chart.SUBSCRIBERS_PAYABLE}, {"reason": ""}):
            assert (await send_rule(ada, RULES, **{**rule, **wrong})).status_code == 422
        form = str(uuid.uuid4())
        for _ in range(2):  # a double click
            assert (await send_rule(ada, RULES, **rule, form_id=form)).status_code == 303
        assert await book_by_rules() == 0
        decision, approve = await buttons_of(form)
        assert (await send_rule(ada, decision, **approve)).status_code == 403
        assert [task.sentence for task in (await DECISION.list(clock.now())).rows] == ["Rule for bank lines to decide"]
        assert "waits for a second person" in page_text(await bob.get(RULES))
        assert (await send_rule(bob, f"{RULES}/{form}/end")).status_code == 404, "it is no rule yet"
        assert (await send_rule(bob, decision, **approve)).status_code == 303
        assert (await send_rule(bob, decision, **approve | {"decision": "refuse"})).status_code == 409
        assert await balance(chart.BANK_CHARGES) == 1_250
        explained = page_text(await eve.get(f"/en/finance/bank/lines/{ids['B2']}"))
        assert "by a rule" in explained
        assert "Bank charges" in explained
        assert f"{chart.BANK_CHARGES}/" not in explained, "an account has a name"
        assert ">terminée</span>" not in (await eve.get(RULES.replace("/en/", "/fr/"))).text
        # What comes next is booked, what is larger, or was opened again by a person, is not.
        await undo_matches(ids["B2"], await make_staff("Dan"), reason="It was the wrong bank.")
        balance_minor = await lines_of(
            Entry(-1_300, "B5", words="COTISATION nov"),
            Entry(-2_600, "B6", words="Cotisation 2x"),
            number=2,
            opening=balance_minor,
        )
        assert await book_by_rules() == 1
        assert await balance(chart.BANK_CHARGES) == 1_300
        # Two rules that disagree leave a line to a person; an ended rule books nothing.
        other = uuid.uuid4()
        await propose_rule(
            "déc",
            chart.SUPPLIERS,
            await make_staff("Fay"),
            comes_in=False,
            most_minor=9_000,
            reason="Their bill.",
            form_id=other,
        )
        await decide(other, await make_staff("Gus"), approve=True)
        balance_minor = await lines_of(Entry(-1_300, "B7", words="COTISATION déc"), number=3, opening=balance_minor)
        assert await book_by_rules() == 0
        assert [(await send_rule(bob, f"{RULES}/{other}/end")).status_code for _ in range(2)] == [303, 409]
        assert await book_by_rules() == 1
        assert await balance(chart.BANK_CHARGES) == 2_600
        page = (await eve.get(RULES)).text
        assert ">ended</span>" in page
        assert ">current</span>" in page
    verbs = [
        row["verb"] for row in await fetch("SELECT verb FROM staff_action WHERE verb LIKE 'bank_rule%' ORDER BY id")
    ]
    assert verbs == [f"bank_rule_{verb}" for verb in ("proposed", "approved", "proposed", "approved", "ended")]
    assert await kinds_written() == ["proposal_to_decide"] * 2


async def test_a_refused_rule_books_nothing_and_a_strange_one_is_not_found() -> None:
    await lines_of(Entry(-1_250, "B1", words="Cotisation"), number=1, opening=5_000)
    rule = uuid.uuid4()
    await propose_rule(
        "cotisation",
        chart.BANK_CHARGES,
        await make_staff("Ada"),
        comes_in=False,
        most_minor=9_000,
        reason="A fee.",
        form_id=rule,
    )
    bob = await make_staff("Bob")
    await decide(rule, bob, approve=False)
    assert await book_by_rules() == 0
    with pytest.raises(NotFound):
        await decide(uuid.uuid4(), bob, approve=True)
    async with await signed_in("auditor") as eve:
        assert "refused" in page_text(await eve.get("/en/finance/decisions?kind=bank_rule&which=refused"))
    assert await fetch_value("SELECT count(*) FROM bank_match") == 0
