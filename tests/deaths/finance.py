"""What finance does: sales on credit, debts, the bank's lines, documents on their way, books that are closed and exported."""

import datetime as dt
from functools import partial
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.rule_proposals import propose_rule
from marketplace.finance.bookkeeping.export_files import request_export
from marketplace.finance.einvoicing import months
from marketplace.finance.reconciliation import exception_queries
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.credit.proposals import propose_limit, propose_write_down
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.sales.orders.actions import order
from tests.deaths.story import Story
from tests.finance.builders import sales, travelling
from tests.finance.builders.statements import Entry, Statement, banked
from tests.money.builders import with_limit
from tests.people.builders import make_staff, spender_for
from tests.sales.builders.shop import make_buyer, make_quote, on_credit, open_shop
from tests.support.decisions import decide
from tests.support.reads import fetch_value
from tests.support.scenes import named

DAY = dt.timedelta(days=1)


async def sell_on_credit(story: Story) -> None:
    """Grant a limit, sell within it, have one sale paid by transfer, and provide for and lose another."""
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    limit = named("limit", "form")
    granting = partial(propose_limit, partner, 100_000_000, ada, reason="They pay on time.", form_id=limit)
    await story.act(granting, "propose a limit")
    await story.act(partial(decide, limit, bob, approve=True), "grant a limit")
    number = named("paid", "order")
    how: Any = {"email": "x@partner.example", "pay_by": "invoice", "reason": "x"}
    quote = await make_quote(partner, release)
    await story.act(
        partial(order, partner, quote, by=await spender_for(partner), order_id=number, **how),
        "order on credit",
        then=("settle-orders",),
    )
    await story.work("settle-orders", "invoices")
    total = await fetch_value("SELECT total_minor FROM credit_sale")
    given = Statement([Entry(total, "B1")], opening=0, name="S1", message="M1").xml()
    await story.act(partial(import_bank_statement, given, person=None, new_account=True), "import a statement")
    line = await fetch_value("SELECT id FROM bank_line")
    await story.act(partial(settle_line, line, [("order", str(number), total)], ada), "match a line")
    assert await balance(chart.ON_CREDIT) == await balance(chart.SUSPENSE) == 0
    lost = await on_credit(partner, release)
    story.pass_time(40 * DAY)
    await story.work("remind-debtors")

    async def look() -> None:
        """Refuse a loss without its letter, or a letter without its loss."""
        written = await fetch_value("SELECT count(*) FROM message WHERE kind = 'invoice_unpaid'")
        assert await balance(chart.LOSSES) == written * lost["net_minor"]

    kinds: tuple[tuple[Any, int], ...] = (("provision", 50), ("loss", 0))
    for kind, amount in kinds:
        form = named(kind, "form")
        proposing = partial(propose_write_down, kind, lost["id"], amount, ada, reason="No answer.", form_id=form)
        await story.act(proposing, f"propose a {kind}")
        await story.act(partial(decide, form, bob, approve=True), f"book a {kind}", look=look)
    assert await balance(chart.LOSSES) == lost["net_minor"]
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'invoice_unpaid'") == 1


async def read_the_bank(story: Story) -> None:
    """Book a line by a rule, write another off, look for exceptions, and close and export a month."""
    await story.on(3, 20, year=2026)
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await sales.write_shop()
    number = await sales.write_paid_order()
    await sales.mirror_charge(number)
    await sales.write_settled(number)
    today = clock.now().date()
    entries = [Entry(-1_250, "B1", words="COTISATION mars", day=today), Entry(12, "B2", words="INCONNU", day=today)]
    given = Statement(entries, opening=0, name="S1", message="M1", day=today).xml()
    await import_bank_statement(given, person=None, new_account=True)
    rule, off = named("fee", "rule"), named("fee", "write-off")
    proposing = partial(
        propose_rule,
        "cotisation",
        chart.BANK_CHARGES,
        ada,
        comes_in=False,
        most_minor=2_500,
        reason="Fee.",
        form_id=rule,
    )
    await story.act(proposing, "propose a rule")
    await story.act(partial(decide, rule, bob, approve=True), "agree to a rule", then=("book-by-rules",))
    second = Entry(-1_300, "B3", words="COTISATION avril", day=today + 5 * DAY)
    given = Statement([second], opening=-1_238, name="S2", message="M2", day=today + 5 * DAY, sequence=2).xml()
    await story.on(3, 26, year=2026)
    await import_bank_statement(given, person=None, new_account=False)
    await story.work("book-by-rules")
    line = str(await fetch_value("SELECT id FROM bank_line WHERE reference = 'B2'"))
    proposing = partial(propose_write_off, "line_unexplained", line, ada, reason="Too small.", form_id=off)
    await story.on(3, 28, year=2026)
    await story.act(proposing, "propose a write-off")
    await story.act(partial(decide, off, bob, approve=True), "write a line off")
    patch = story.beside.enter_context(pytest.MonkeyPatch.context())
    patch.setattr(exception_queries, "LIVE_UP_TO", 1)
    await story.on(4, 2, year=2026)
    await story.work("fold-sums", "sum-revenue", "refresh-exceptions")
    await story.work("reconcile", unlike=("reconciliation",))
    export, days = named("books", "export"), {"first_day": dt.date(2026, 1, 1), "last_day": dt.date(2026, 3, 31)}
    await story.act(partial(request_export, export, ada, file_format="fec", **days), "ask for an export")
    await story.work("exports")
    assert await fetch_value("SELECT count(*) FROM journal_entry WHERE kind = 'bank_match'") >= 2


IN_HAND = 204
"""A status that the buyer's platform may give a document besides those of its ordinary life."""


async def send_documents(story: Story) -> None:
    """Send a sale's invoice and that it was paid, then one on credit that is paid in parts, each part once."""
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    platform = await story.beside.enter_async_context(travelling.platform_running())
    story.state.others.append((platform.flows, lambda flows: [(one.direction, one.name, one.answer) for one in flows]))
    await travelling.write_french_shop()
    await travelling.sell_under()
    await story.work("einvoices", then=("einvoices",))
    story.pass_time(DAY)
    [sent] = platform.invoices()
    platform.report(sent.removesuffix(".pdf"), IN_HAND)
    await story.work("einvoices answers", then=("einvoices",))
    await with_limit(sales.PARTNER, 100_000, ada, bob)
    number = await travelling.sell_under(on_credit=True)
    for amount in (3_333, 8_667):
        [line] = await banked(amount)
        await settle_line(line, [("order", str(number), amount)], ada)
    await story.work("einvoices parts", then=("einvoices",))
    story.beside.enter_context(pytest.MonkeyPatch.context()).setattr(months, "LIVE_UP_TO", 0)
    await story.work("sum-months-of-einvoices")
    assert set((await travelling.states_of_documents()).values()) == {"deposited"}


STORIES: dict[Any, str] = {
    sell_on_credit: "propose a limit, grant a limit, order on credit, import a statement, match a line, remind-debtors, "
    "propose a provision, book a provision, propose a loss, book a loss",
    read_the_bank: "propose a rule, agree to a rule, book-by-rules, propose a write-off, write a line off, fold-sums, "
    "sum-revenue, refresh-exceptions, reconcile, ask for an export, exports",
    send_documents: "einvoices, einvoices answers, einvoices parts, sum-months-of-einvoices",
}
