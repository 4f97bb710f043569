"""Who sees to an exception: assigned and commented on its page, a message to who must act, and what is refused."""

import re
import uuid

import asyncpg
import pytest

from marketplace.core.database import execute
from marketplace.core.errors import Invalid
from marketplace.finance.bookkeeping.trail import list_actions
from marketplace.finance.reconciliation.assignments import list_notes, note_exception
from marketplace.people.identity.guards import begin_session
from marketplace.people.messages.queries import list_messages
from marketplace.people.messages.rules import Recipient
from tests.finance.builders.statements import Entry, bank_says
from tests.people.builders import Browser, make_staff, page_text
from tests.support.owner import as_owner
from tests.support.reads import fetch_value

WHY = "line_unexplained"


async def test_an_exception_is_assigned_and_commented_and_who_must_act_hears_of_it() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    first, other = await bank_says(Entry(-37, "B1", "Frais"), Entry(12, "B2", "?"))
    page = f"/en/finance/exception?why={WHY}&subject={first}"
    async with Browser() as browser:
        cookie = await begin_session(ada.person)
        browser.client.cookies.set(cookie.key, str(cookie.value))
        assert "Nobody yet." in page_text(await browser.get(page))
        form = str(uuid.uuid4())
        fields = {"why": WHY, "subject": str(first), "text": "Ask the bank.", "assignee": str(bob.person)}
        for _ in range(2):  # the form sent twice says it once
            await browser.submit("/en/finance/exception/note", fields, form_id=form)
        await browser.submit(
            "/en/finance/exception/note", {"why": WHY, "subject": str(first), "text": "I called them."}
        )
        mine = {"why": WHY, "subject": str(other), "assignee": str(ada.person)}
        await browser.submit("/en/finance/exception/note", mine)  # to oneself: nobody needs a message
        shown = page_text(await browser.get(page))
        assert shown.index("assigned to Bob") < shown.index("Ask the bank.") < shown.index("I called them.")
        for wrong in ({"assignee": "bob"}, {"text": " "}):
            answer = await browser.submit("/en/finance/exception/note", {"why": WHY, "subject": str(first), **wrong})
            assert answer.status_code == 422
        assert len(await list_notes(WHY, str(first))) == 2
        queue = page_text(await browser.get("/en/finance/exceptions?mine=yes"))
        assert "B2" in queue
        assert "B1" not in queue
        assert "Bob" in page_text(await browser.get("/fr/finance/exceptions"))
        trail = page_text(await browser.get("/en/finance/audit"))
        file = (await browser.get("/fr/finance/audit.csv")).text
        month = await fetch_value("SELECT to_char(booked_on, 'YYYY-MM') FROM bank_line LIMIT 1")
        months = page_text(await browser.get(f"/en/finance/periods?month={month}"))
        cookie = await begin_session(bob.person)
        browser.client.cookies.set(cookie.key, str(cookie.value))
        [message] = (await list_messages([Recipient("person", str(bob.person))], bob.person, "en", 1)).rows
        assert "Ask the bank." in page_text(await browser.get(f"/en{message.path}")), "the message leads to it"
    assert "Assigned to: Bob" in trail
    assert re.search(r"Confié à\s:\sBob", file)
    assert "The bank moved this, and nothing explains it: B1" in trail
    assert re.search(r"que rien n’explique\s:\sB1", file)
    assert "The bank moved this, and nothing explains it: B1" in months
    assert "line_unexplained" not in trail + file + months
    assert str(bob.person) not in trail + file, "people have names"
    assert not re.search(r"\dT\d\d:", file), "a time is written as people read it"
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'exception_assigned'") == 1
    assert [(row.verb, row.name, row.reason) for row in (await list_actions()).rows if row.name] == [
        ("exception_assigned", "Ada", ""),
        ("exception_commented", "Ada", "I called them."),
        ("exception_assigned", "Ada", "Ask the bank."),
    ]


async def test_only_those_who_are_in_finance_are_asked_and_what_was_said_stays() -> None:
    ada, gone = await make_staff("Ada"), await make_staff("Gone")
    steward = await make_staff("Samir", "steward")
    [line] = await bank_says(Entry(12, "B1"))
    await execute("UPDATE person SET ended_at = now() WHERE id = $1", gone.person)
    for nobody in (gone, steward):
        with pytest.raises(Invalid, match="of finance"):
            await note_exception(WHY, str(line), ada, assignee=nobody.person, form_id=uuid.uuid4())
    await note_exception(WHY, str(line), ada, text="Small.", form_id=uuid.uuid4())
    with pytest.raises(asyncpg.RestrictViolationError):
        await as_owner("UPDATE exception_note SET text = ''")
