"""What finance does in the played year: statements of the bank in each format, months and the year closed, people paid, debts."""

import calendar
import contextlib
import datetime as dt
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.csv_files import Mapping
from marketplace.finance.bank.previews import import_upload, keep_upload, write_mapping
from marketplace.finance.bank.rule_proposals import propose_rule
from marketplace.finance.bank.vat import vat_due
from marketplace.finance.bookkeeping.months import propose_month
from marketplace.finance.bookkeeping.years import propose_year, rebuild_year
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.credit import proposals as credit
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import closed_until
from marketplace.money.payments.transfers import connected_account
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import exclusions, verification
from marketplace.subscribers.payouts.bank_details import choose_stripe, write_details
from marketplace.subscribers.rewards import actions as rewards
from tests.finance.builders.statements import Entry, announces, euros
from tests.site.builders.played_year import YEAR, People, Year, named_in_year
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support.decisions import decide
from tests.support.reads import fetch, fetch_value

CSV = {10}
"""Months whose statement comes as a CSV."""
COLUMNS = Mapping(booked="Date", amount="Montant", words="Libellé", balance="Solde")
FEE = "COTISATION compte pro"
ARRIVED = """
    SELECT source_id AS id, -net_minor AS minor FROM balance_transaction WHERE category = 'payout' AND NOT EXISTS (
        SELECT FROM bank_line WHERE bank_line.remittance LIKE '%STRIPE ' || balance_transaction.source_id)
    ORDER BY created_at, id"""


# ------------------------------------------------------------------ the bank
def as_csv(year: Year, day: dt.date) -> bytes:
    """Have the bank write what it received in a CSV, the latest first."""
    bank, lines = year.bank, []
    for cents, words in bank.received:
        bank.balance_cents += cents
        sign = "-" if cents < 0 else ""
        lines.append(f"{day:%d/%m/%Y};{words};{sign}{euros(cents)};{euros(bank.balance_cents)}".replace(".", ","))
    bank.received, bank.days = [], bank.days + 1
    return "\n".join(["Date;Libellé;Montant;Solde", *reversed(lines), ""]).encode()


async def bank_states(year: Year, people: People, day: dt.date) -> None:
    """Have the bank write its statement until a day, Stripe's payouts among it, and import and match it."""
    clerk = people.staff["Nora"]
    assert clerk.person
    bank = year.bank
    bank.received += [(row["minor"], f"STRIPE {row['id']}") for row in await fetch(ARRIVED)]
    if day.month in CSV:
        data, upload = as_csv(year, day), named_in_year(str(day), "upload")
        await year.act(partial(keep_upload, upload, data, clerk.person), "upload")
        await year.act(partial(write_mapping, upload, clerk.person, bank.iban, COLUMNS), "upload")
        await year.act(partial(import_upload, upload, clerk.person, new_account=False), "import")
    else:
        data = bank.close_day(day)
        await year.act(partial(import_bank_statement, data, person=clerk.person, new_account=day.month == 1), "import")
    await year.work("match-payouts", "book-by-rules", "reconcile")


async def explain_line(year: Year, people: People, words: str, *parts: tuple[str, str, int]) -> None:
    """Have a clerk say what the line with these words is."""
    line = await fetch_value("SELECT id FROM bank_line WHERE remittance LIKE $1 ORDER BY id DESC LIMIT 1", f"%{words}%")
    await year.act(partial(settle_line, line, list(parts), people.staff["Nora"]), "explain")


async def vat_paid(year: Year, month: str) -> int:
    """Have the tax office's debit of the VAT that is due as of the end of a month be on the next statement; return it."""
    due = sum((await vat_due(dt.date.fromisoformat(f"{month}-01"))).values())
    assert due < 0, f"{month}: {due}"
    year.bank.received.append((due, f"DGFIP IMPOT TVA {month}"))
    return due


async def settle_vat(year: Year, people: People, month: str, due: int) -> None:
    """Have a clerk settle a month's accounts of VAT by the tax office's line, whole."""
    await explain_line(year, people, f"TVA {month}", ("vat", month, due))
    assert not await vat_due(dt.date.fromisoformat(f"{month}-01"))


async def make_rule(year: Year, people: People) -> None:
    """Have the bank's fee booked by a rule that two people made."""
    form = named_in_year("fee", "rule")
    rule = partial(
        propose_rule,
        "cotisation",
        chart.BANK_CHARGES,
        people.staff["Nora"],
        comes_in=False,
        most_minor=2_500,
        reason="The bank's fee.",
        form_id=form,
    )
    await year.act(rule, "rule")
    await year.act(partial(decide, form, people.staff["Paul"], approve=True), "rule")
    await year.work("book-by-rules")


async def announce_line(year: Year, people: People, amount: int, words: str) -> None:
    """Have the bank announce (camt.054) a line of its next statement, where it follows what comes back."""
    assert people.staff["Nora"].person
    bank, upload = year.bank, named_in_year(words, "notice")
    bank.received.insert(0, (amount, words))
    entry = Entry(amount, f"MB{bank.days + 1:06d}-{len(bank.pending_returns):06d}", words=words, day=clock.now().date())
    await year.act(partial(keep_upload, upload, announces([entry], name=words), people.staff["Nora"].person), "upload")
    await year.act(partial(import_upload, upload, people.staff["Nora"].person, new_account=False), "import")


# ------------------------------------------------------------------ closing
async def end_month(
    year: Year, people: People, month: int, *, then: Callable[[], Awaitable[object]] | None = None
) -> None:
    """End a month: Stripe pays out, the bank states its last day; then, on the second of the next, shares are closed, and two people close the books.

    then: what clerks do about the statement's lines.
    """
    if year.before_end:
        await year.before_end(month)
    last = dt.date(YEAR, month, calendar.monthrange(YEAR, month)[1])
    await year.on(month, 26)
    await year.at_stripe("payout")
    await year.work("stripe-sweep", "stripe-events", "stripe-balance")
    year.bank.received.append((-1_250, FEE))
    await year.on(month, last.day, 19)
    await bank_states(year, people, last)
    if then:
        await then()
    after = last + dt.timedelta(days=2)
    await year.on(after.month, after.day, year=after.year)
    if month == 1:
        await make_rule(year, people)
    await year.work("invoices", "einvoices", "einvoices", "close-month", "fold-sums", "remind-debtors", "reconcile")
    one, other = (people.staff[("Nora", "Paul")[(month + place) % 2]] for place in (0, 1))
    form = named_in_year(str(month), "close")
    await year.act(partial(propose_month, last.replace(day=1), one, form_id=form), "close books")
    await year.act(partial(decide, form, other, approve=True), "close books")
    until = await closed_until()
    assert until
    assert until > clock.now() - dt.timedelta(days=3), f"{last:%B} did not close: {year.refused[-1:]}"


async def close_year(year: Year, people: People) -> tuple[uuid.UUID, uuid.UUID]:
    """Have two people close the year, its file written, and made again; return both files."""
    close, again = named_in_year("year", "close"), named_in_year("year", "again")
    await year.act(partial(propose_year, YEAR, people.staff["Nora"], form_id=close), "close year")
    await year.act(partial(decide, close, people.staff["Paul"], approve=True), "close year")
    await year.work("exports")
    await year.act(partial(rebuild_year, close, people.staff["Ada"], form_id=again), "close year")
    await year.work("exports")
    return close, again


# ------------------------------------------------------------------ paying people
async def give_details_in_year(year: Year) -> None:
    """Have five lines give bank details, one be paid through Stripe, and others choose a gift and the phone bill."""
    await payees.claim_lines(*range(1, 9))
    for line in range(1, 6):
        iban, details = payees.iban_of(line), named_in_year(str(line), "details")
        await year.act(
            partial(write_details, line, holder=f"Zoé Lefèvre {line}", iban=iban, details=details), "details"
        )
    await year.act(partial(connected_account, 6), "connect")
    await year.work("stripe-commands")
    await year.at_stripe("onboard", account=await connected_account(6))
    await year.act(partial(choose_stripe, 6), "connect")


async def give_rewards(year: Year, people: People) -> None:
    """List an association and a benefit, and have people choose them."""
    ada, nora = people.staff["Ada"], people.staff["Nora"]
    gift = partial(rewards.list_association, "sea-rescue", name="Sea Rescue", iban=OUR_IBAN, actor=ada)
    benefit = partial(rewards.list_benefit, "data-5", title_fr="5 Go", title_en="5 GB", price_minor=1_000, actor=nora)
    for work in (gift, benefit, partial(rewards.choose, 7, "gift", "sea-rescue"), partial(rewards.choose, 8, "bill")):
        await year.act(work, "reward")


async def move_rewards(year: Year, people: People) -> None:
    """Have a benefit bought, gifts and bills moved, and billing answer: it credits one and refuses the other."""
    nora = people.staff["Nora"]
    await year.act(partial(rewards.buy, 5, "data-5", named_in_year("5", "benefit")), "reward")
    for way in ("gift", "bill"):
        await year.act(partial(rewards.make_run, way, named_in_year(way, "run"), nora), "reward")
    rows = await fetch("SELECT id, subscriber FROM reward WHERE state = 'open' ORDER BY subscriber")
    assert [row["subscriber"] for row in rows] == [5, 8]
    answer = f"id,status,reason\n{rows[0]['id']},credited,\n{rows[1]['id']},refused,no such bill\n"
    await year.act(partial(rewards.record_answer, answer.encode(), nora), "reward")


async def pay_gifts(year: Year, people: People, month: int) -> None:
    """Pay a month's gifts, which the bank debits with its next statement."""
    await year.act(partial(rewards.pay_gifts, dt.date(YEAR, month, 1), people.staff["Paul"]), "reward")
    amount = await fetch_value("SELECT sum(amount_minor)::bigint FROM gift_payment")
    year.bank.received.append((-amount, "DONS Sea Rescue"))


@contextlib.contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    """Set what an operator sets, for a while."""
    before = os.environ.get(name, "")
    os.environ[name] = value
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ[name] = before
        settings.cache_clear()


async def draft(year: Year, people: People, route: str = "sepa") -> uuid.UUID:
    """Draft a run and have another person approve it; return it."""
    await year.act(partial(payouts.draft, people.staff["Nora"], route=route), "draft")
    run: uuid.UUID = await fetch_value("SELECT id FROM payout_run WHERE state = 'draft'")
    await year.act(partial(payouts.approve, run, people.staff["Paul"], reason="checked with the list"), "approve")
    return run


async def bank_answers(year: Year, run: uuid.UUID, report: bytes) -> None:
    """Record an answer of the bank's."""
    await year.act(partial(payouts.record_answer, run, report, None), "answer")


async def have_names_decided(year: Year, people: People, run: uuid.UUID, outcome: str, *, pay: bool) -> None:
    """Have one person propose what becomes of payees whose names differ, and another approve it."""
    form = named_in_year(f"names of {run}", outcome)
    proposing = partial(exclusions.propose_names, run, people.staff["Paul"], outcome=outcome, pay=pay, form_id=form)
    await year.act(proposing, "propose names")
    await year.act(partial(decide, form, people.staff["Nora"], approve=True), "names")


async def pay_verified_run(year: Year, people: People) -> bytes:
    """Pay a run whose names the bank verifies by its interface: three differ, two are left out; return its file."""
    paul = people.staff["Paul"]
    year.payee_bank.names = dict(zip(map(payees.iban_of, (2, 3, 4)), ("none", "close", "unknown"), strict=True))
    run = await draft(year, people)
    await year.act(partial(verification.verify, run, paul), "verify")
    for outcome, pay in (("none", False), ("close", False), ("unknown", True)):
        await have_names_decided(year, people, run, outcome, pay=pay)
    await year.act(partial(payouts.send, run, paul), "send")
    year.payee_bank.names = {}
    file = await file_of_run(run)
    await bank_answers(year, run, year.bank.submit(file))
    return file


async def pay_again(year: Year, people: People) -> bytes:
    """Pay a run of which the bank's report on the file names who differs: a second file replaces the first; return it."""
    paul = people.staff["Paul"]
    with setting("VOP_URL", ""):
        year.bank.names = {payees.iban_of(5): "RVNM"}
        run = await draft(year, people)
        await year.act(partial(payouts.send, run, paul), "send")
        first = await file_of_run(run)
        await bank_answers(year, run, year.bank.verify(first))
        await have_names_decided(year, people, run, "none", pay=False)
        await year.work("send-payouts")
        second = await file_of_run(run)
        assert second != first
        await bank_answers(year, run, year.bank.verify(second))
        await bank_answers(year, run, year.bank.submit(second))
        assert b"AM05" in year.bank.submit(second), "sent twice it is one payment"
    return second


async def pay_at_once(year: Year, people: People) -> bytes:
    """Pay a run by SEPA Instant, of which the bank rejects one and returns another; return its file."""
    paul = people.staff["Paul"]
    with setting("PAYOUT_INSTANT", "1"):
        year.bank.rejects, year.bank.returns = {payees.iban_of(1): "AC04"}, {payees.iban_of(4): "MS02"}
        run = await draft(year, people)
        await year.act(partial(verification.verify, run, paul), "verify")
        await year.act(partial(payouts.send, run, paul), "send")
        file = await file_of_run(run)
        await bank_answers(year, run, year.bank.submit(file))
        year.bank.rejects = {}
    return file


async def pay_stripe_run(year: Year, people: People) -> None:
    """Pay the run of those who are paid through Stripe."""
    run = await draft(year, people, "stripe")
    await year.act(partial(payouts.send, run, people.staff["Paul"]), "send")
    await year.work("stripe-commands", "follow-transfers", "stripe-balance")


# ------------------------------------------------------------------ credit and write-offs
async def grant_limit(year: Year, people: People) -> None:
    """Let a partner pay on invoice, as two people decide."""
    form = named_in_year("ville", "limit")
    limit = partial(
        credit.propose_limit,
        people.partners["ville"],
        1_000_000,
        people.staff["Nora"],
        reason="They pay.",
        form_id=form,
    )
    await year.act(limit, "credit")
    await year.act(partial(decide, form, people.staff["Paul"], approve=True), "credit")


async def write_down(year: Year, people: People, kind: Any, order: Any, amount: int) -> None:
    """Provide for a debt, or give it up, as two people decide."""
    form = named_in_year(str(order), kind)
    proposal = partial(
        credit.propose_write_down, kind, order, amount, people.staff["Nora"], reason="No answer.", form_id=form
    )
    await year.act(proposal, "credit")
    await year.act(partial(decide, form, people.staff["Paul"], approve=True), "credit")


async def write_off_line(year: Year, people: People, words: str) -> None:
    """Write off a line that nobody can explain, as two people decide."""
    line = await fetch_value("SELECT id FROM bank_line WHERE remittance LIKE $1", f"%{words}%")
    form = named_in_year(words, "write-off")
    proposal = partial(
        propose_write_off, "line_unexplained", str(line), people.staff["Nora"], reason="Too small.", form_id=form
    )
    await year.act(proposal, "write-off")
    await year.act(partial(decide, form, people.staff["Paul"], approve=True), "write-off")
