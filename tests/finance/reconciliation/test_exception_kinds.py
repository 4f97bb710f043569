"""The registry of exceptions: every kind says what it must, and a new one works from its entry alone."""

import uuid

import pytest

from marketplace.core import clock
from marketplace.finance.reconciliation.exception_queries import count_exceptions, list_blocking, list_exceptions
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.finance.reconciliation.queue_pages import path_of
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.ledger import chart
from marketplace.money.ledger.entry_kinds import ENTRY_KINDS
from marketplace.money.ledger.queries import balance
from marketplace.oversight.invariants import INVARIANTS
from migrations.schema import tables
from tests.finance.builders import sales
from tests.finance.builders.pages import signed_in
from tests.finance.reconciliation import toy_exception
from tests.people.builders import make_staff
from tests.support.decisions import decide
from tests.support.french import translate


@pytest.mark.parametrize("code", EXCEPTIONS)
def test_a_kind_is_whole(code: str) -> None:
    kind = EXCEPTIONS[code]
    assert kind.sql or kind.in_book
    assert kind.sentence.fields() <= {"detail"}
    assert not kind.advice.fields()
    assert kind.write_off is None or kind.write_off.account in {"", *chart.TITLES}


def test_what_the_entry_kinds_name_exists() -> None:
    names = {"", *(table._meta.tablename for table in tables())}
    for kind in ENTRY_KINDS.values():
        assert kind.source in names, kind.code
        assert kind.exception in {"", *EXCEPTIONS}, kind.code
        assert kind.invariant in {"", *INVARIANTS}, kind.code
        assert kind.exception or kind.invariant or kind.code in OF_TESTS, kind.code


OF_TESTS = {"any", "fact", "loss", "sale_back", "shares_x", "stripe_x"}


async def test_a_kind_dropped_into_the_registry_is_named_shown_and_written_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold that an entry is all it takes: the sweep, both languages' pages, the close and the write-off know the new kind."""
    await sales.write_shop()
    order = await sales.write_order()
    assert await count_exceptions() == 0
    monkeypatch.setitem(EXCEPTIONS, toy_exception.KIND.code, toy_exception.KIND)
    translate(monkeypatch, toy_exception.FRENCH)
    assert await count_exceptions() == 1
    [found] = (await list_exceptions()).rows
    assert (found.why, found.subject, found.detail, found.amount_minor) == (
        "order_is_large",
        str(order),
        "12000",
        12_000,
    )
    assert [row.why for row in await list_blocking(clock.now())] == ["order_is_large"]
    async with await signed_in("finance") as visitor:
        for language, words in (
            ("en", ("The unpaid order", "Call the partner")),
            ("fr", ("La commande, non payée", "Appelez")),
        ):
            queue = await visitor.get(f"/{language}/finance/exceptions")
            page = await visitor.get(f"/{language}{path_of('order_is_large', str(order))}")
            assert words[0] in queue.text
            assert all(word in page.text for word in words)
            assert chart.DISPUTES in page.text, "the page says what the write-off will post"
    ada, bob, form = await make_staff("Ada"), await make_staff("Bob"), uuid.uuid4()
    await propose_write_off("order_is_large", str(order), ada, reason="They are good for it.", form_id=form)
    await decide(form, bob, approve=True)
    assert await balance(chart.DISPUTES) == 12_000
    assert list((await list_exceptions()).rows) == []
