"""What the bank announces (camt.054): looked at, kept once, on no account twice, and named where no statement has it."""

import asyncio
import datetime as dt
import re
import uuid
from collections.abc import Sequence

import pytest

from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.camt import read_notices
from marketplace.finance.bank.notices import import_notices, list_awaited
from marketplace.finance.bank.previews import import_upload, keep_upload
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.ledger.chart import BANK
from marketplace.money.ledger.queries import balance
from marketplace.oversight import invariants
from tests.finance.builders.pages import signed_in
from tests.finance.builders.statements import DAY, IBAN, Entry, Statement, announces
from tests.people.builders import page_text
from tests.support.reads import fetch_value

SALARY, FEE = Entry(70_000, "B1", "STRIPE po_1", "Stripe"), Entry(-12, "B2", "Frais")
PARTS = Entry(9_000, "B3", parts=((4_000, "E1"), (5_000, "E2")), name="Zoé & Cie")
UNNAMED = Entry(300, "", "sans référence", end_to_end="E9")


async def keeps(data: bytes) -> tuple[int | None, int]:
    """Import a notification, and return how many movements were new and known."""
    imported = await import_notices(read_notices(data), data, person=None)
    return imported.announced, imported.known


async def import_entries(entries: Sequence[Entry], *, opening: int = 0, name: str = "S1", new: bool = False) -> None:
    data = Statement(list(entries), opening=opening, name=name, message=name).xml()
    await import_bank_statement(data, person=None, new_account=new)


async def awaited() -> list[str]:
    return [row.reference for row in (await list_awaited()).rows]


async def test_what_is_announced_and_then_stated_is_in_the_books_once() -> None:
    with pytest.raises(Conflict, match="import a statement of it first"):
        await keeps(announces([SALARY]))
    await import_entries([], opening=100, name="S0", new=True)
    everything = [SALARY, FEE, PARTS, UNNAMED, UNNAMED]
    first = announces(everything)
    answers = await asyncio.gather(*(asyncio.create_task(keeps(first)) for _ in range(3)))
    assert sorted(answers) == [(0, 6), (0, 6), (6, 0)], "three clicks at once announce it once"
    assert await balance(BANK) == 100, "a notification moves nothing"
    assert len(await awaited()) == 6
    with clock.shifted(DAY - clock.now().date() + dt.timedelta(days=6)):
        late = [row.why for row in (await list_exceptions()).rows]
        assert late == ["notice_without_line"] * 6
    whole = Entry(9_000, "B3", name="Zoé & Cie")  # The statement has the batch as one line.
    await import_entries([SALARY, FEE, whole, UNNAMED], opening=100)
    assert await balance(BANK) == 100 + 70_000 - 12 + 9_000 + 300
    assert await awaited() == ["N1/5"], "two were announced alike, and one is stated"
    await import_entries([UNNAMED], opening=await balance(BANK), name="S2")
    assert await awaited() == []
    assert await keeps(first) == (0, 6)
    assert await keeps(announces([Entry(-5, "B9")], name="N2")) == (1, 0)
    await import_entries([Entry(-5, "B9", parts=((-2, "P1"), (-3, "P2")))], opening=await balance(BANK), name="S3")
    assert await awaited() == [], "announced as one, stated in parts"
    assert await fetch_value("SELECT count(*) FROM journal_entry WHERE kind = 'bank_line'") == 7
    assert await invariants.broken() == []


async def test_a_statement_first_and_its_notification_later_is_in_the_books_once() -> None:
    await import_entries([Entry(9_000, "B3")], opening=100, new=True)
    assert await keeps(announces([PARTS])) == (2, 0)
    assert (await awaited(), await balance(BANK)) == ([], 9_100)
    await import_entries([Entry(9_000, "B3")], opening=100)
    assert await balance(BANK) == 9_100, "the statement again changes nothing"
    line = await fetch_value("SELECT id FROM bank_line")
    async with await signed_in("auditor") as visitor:
        page = page_text(await visitor.get(f"/en/finance/bank/lines/{line}"))
        assert "What the bank announced of it" in page
        assert "E2" in page


async def test_a_clerk_looks_at_a_notification_before_it_is_kept() -> None:
    await import_entries([SALARY], new=True)
    strange, form = announces([FEE]).replace(IBAN.encode(), b"FR7630001007941234567890185"), uuid.uuid4()
    async with await signed_in("finance") as visitor:
        person = await fetch_value("SELECT id FROM person WHERE staff_role = 'finance'")
        await keep_upload(form, announces([SALARY, FEE]), person)
        page = page_text(await visitor.get(f"/en/finance/bank/uploads/{form}"))
        assert "kept beside the books" in page
        assert page.count("on a statement") == 1, page
        assert (await import_upload(form, person, new_account=False)).announced == 2
        shown = await visitor.get("/fr/finance/bank?announced=2&known=0")
        assert "Annoncés : 2 mouvements" in page_text(shown)
        assert "Annoncés, sans relevé à ce jour" in page_text(shown)
        form = uuid.uuid4()
        await keep_upload(form, announces([SALARY, FEE]), person)
        assert page_text(await visitor.get(f"/en/finance/bank/uploads/{form}")).count("here already") == 2
        form = uuid.uuid4()
        await keep_upload(form, strange, person)
        page = page_text(await visitor.get(f"/en/finance/bank/uploads/{form}"))
        assert "Not known as ours" in page
        assert "Import it" not in page
        token = re.search(r'name="_csrf_token" value="([^"]+)"', (await visitor.get("/en/finance/bank")).text)
        assert token
        sent = await visitor.post(
            "/en/finance/bank",
            data={"_csrf_token": token[1], "form_id": str(uuid.uuid4())},
            files={"file": ("n.xml", announces([FEE], name="N3"))},
        )
        assert sent.headers["location"].endswith("/finance/bank?announced=0&known=1")


BAD = {
    "of days to come": (announces([FEE]).replace(str(DAY).encode(), b"2062-10-05"), "is to come"),
    "of another amount": (announces([Entry(-13, "B2")]), "another amount or day"),
    "of a value years apart": (announces([FEE]).replace(b"<ValDt><Dt>2026", b"<ValDt><Dt>2020"), "cannot be of it"),
    "of nothing": (announces([Entry(5, "B5", status="PDNG")]), "announces nothing"),
    "without a number": (announces([FEE]).replace(b"<MsgId>M1</MsgId>", b""), "message number"),
    "of no version": (announces([FEE]).replace(b"054.001.08", b"054.001.01"), "not a camt.054 notification"),
}


async def test_a_bad_notification_is_refused_in_one_sentence_and_keeps_nothing() -> None:
    await import_entries([FEE], new=True)
    for name, (data, words) in BAD.items():
        with pytest.raises((Invalid, Conflict), match=words):
            await keeps(data)
        assert await fetch_value("SELECT count(*) FROM bank_notice") == 0, name
