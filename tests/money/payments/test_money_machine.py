"""Orders, refunds, disputes, shares and payouts in any order, against a small model; everything is checked after each step.

Hypothesis chooses what happens next; the model below knows only what money each order brought, refunded and lost. After
every step the jobs run, then: orders equal the model, Stripe's charges equal the orders, the books equal Stripe's
balance, people's money is what the orders left them, and no invariant is broken.
"""

import asyncio
import datetime as dt
import itertools
import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock, database
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings as ours
from marketplace.demo.bank import Bank
from marketplace.sales.orders.actions import order as order_quote
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.subscribers.earnings.rules import MICRO_PER_MINOR
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders.banking import bank_day
from tests.people.builders import make_staff, spender_for
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support import scenes
from tests.support.reads import fetch, fetch_one, fetch_value

GOOD_IBAN, BAD_IBAN = "DE89370400440532013000", "DE62370400440532013001"
DAY = 20
"""Ticks of 72 minutes: one between any two steps, so that what Stripe listed before is not read again at each."""
TICK = dt.timedelta(days=1) / DAY
HOLD_PERIOD = 14 * DAY
STATES = {"processing": "awaiting_payment", "disputed": "paid", "won": "paid"}


@dataclass
class Sale:
    """The model: what one order brought, refunded and lost, in cents."""

    id: uuid.UUID
    total: int
    paid_on: int
    state: str
    fails: bool = False
    refunded: int = 0
    lost: int = 0
    disputed: int = 0
    was_disputed: bool = False

    @property
    def left(self) -> int:
        """What is still here."""
        return self.total - self.refunded - self.lost


class Money(RuleBasedStateMachine):
    """One marketplace with its Stripe and its bank; `tick` is how far both clocks are ahead."""

    postgres: Any
    stripe: Any
    steps = 0

    @initialize()
    def open(self) -> None:
        type(self).number = number = getattr(type(self), "number", 0) + 1
        self.name = f"machine_{os.getpid()}_{number}"
        self.postgres.run_sql(f"CREATE DATABASE {self.name} TEMPLATE template OWNER partage STRATEGY FILE_COPY")
        self.url = self.postgres.url(self.name)
        os.environ |= {"DATABASE_URL": self.url, "PAYOUT_IBAN": OUR_IBAN, "PAYOUT_THRESHOLD_MINOR": "100"}
        ours.cache_clear()
        self.stripe.test("reset")
        self.runner = asyncio.Runner()
        self.runner.run(database.open_pool(self.url, size=3))
        self.sales: list[Sale] = []
        self.tick, self.paid_out = 0, 0
        self.bank = Bank(OUR_IBAN, rejects={payees.iban_of(2): "AC04"}, returns={payees.iban_of(3): "MS03"})
        self.shop: SimpleNamespace = self.do(scenes.shop)
        self.do(lambda: payees.write_bank_details(1, 2, 3))
        self.nora, self.paul = self.do(lambda: make_staff("Nora")), self.do(lambda: make_staff("Paul"))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(database.close_pool())
            self.runner.close()
            self.postgres.run_sql(f"DROP DATABASE {self.name} WITH (FORCE)")

    def do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def at_its_day() -> Any:
            with clock.shifted(self.tick * TICK):
                return await work()

        return self.runner.run(at_its_day())

    # -------------------------------------------------------------- what partners do
    @rule(method=st.sampled_from(["card", "card", "card", "good debit", "bad debit"]))
    def buy(self, method: str) -> None:
        async def story() -> None:
            sale = uuid.uuid4()
            quote = await catalogue.quote(self.shop.partner, self.shop.release, quote_id=uuid.uuid4())
            await order_quote(
                self.shop.partner,
                quote,
                by=await spender_for(self.shop.partner),
                order_id=sale,
                email=scenes.EMAIL,
                reason="For another shop.",
            )
            total = await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", sale)
            chosen = {"card": {"token": "tok_bypassPending"}, "good debit": {"iban": GOOD_IBAN}}.get(
                method, {"iban": BAD_IBAN}
            )
            await scenes.pay_subject(sale, **chosen)
            state = "paid" if method == "card" else "processing"
            self.sales.append(Sale(sale, total, self.tick, state, fails=method == "bad debit"))

        self.do(story)

    # -------------------------------------------------------------- what banks and days do
    def _banks_answer(self) -> None:
        self.stripe.test("settle")
        for sale in self.sales:
            if sale.state == "processing":
                sale.state, sale.paid_on = ("lapsed" if sale.fails else "paid"), self.tick

    @precondition(lambda self: any(sale.state == "processing" for sale in self.sales))
    @rule()
    def banks_answer(self) -> None:
        self._banks_answer()

    @rule(days=st.sampled_from([1, 4, 15]))
    def days_pass(self, days: int) -> None:
        self._banks_answer()
        self.do(scenes.run_jobs)
        self._time_passes(days * DAY)

    def _time_passes(self, ticks: int) -> None:
        self.stripe.test("clock", seconds=round(ticks * TICK.total_seconds()))
        self.tick += ticks

    # -------------------------------------------------------------- what staff do
    @precondition(lambda self: self._refundable())
    @rule(data=st.data(), part=st.booleans(), again=st.booleans())
    def refund(self, data: st.DataObject, part: bool, again: bool) -> None:  # noqa: FBT001 (Hypothesis draws them)
        sale = data.draw(st.sampled_from(self._refundable()))
        share = data.draw(st.integers(1, 1000))  # Not cents: prices move with the hour, and draws must not.
        amount = max(1, sale.left * share // 1000) if part else sale.left
        refund_id = uuid.uuid4()

        async def story() -> None:
            for _ in range(1 + again):
                await request_order_refund(sale.id, "Farid", refund_id=refund_id, amount_minor=amount if part else None)
            sale.refunded += amount
            if not sale.left:
                sale.state = "refunded"

        self.do(story)

    def _refundable(self) -> list[Sale]:
        """Return what may be refunded; after a dispute that was won the counterpart refuses, so the model does not ask."""
        return [
            sale
            for sale in self.sales
            if sale.state == "paid" and not sale.was_disputed and self.tick - sale.paid_on < HOLD_PERIOD
        ]

    @precondition(
        lambda self: any(sale.state == "paid" and self.tick - sale.paid_on > HOLD_PERIOD for sale in self.sales)
    )
    @rule(data=st.data())
    def refund_too_late(self, data: st.DataObject) -> None:
        late = [sale for sale in self.sales if sale.state == "paid" and self.tick - sale.paid_on > HOLD_PERIOD]
        sale = data.draw(st.sampled_from(late))
        with pytest.raises(Conflict):
            self.do(lambda: request_order_refund(sale.id, "Farid", refund_id=uuid.uuid4()))

    # -------------------------------------------------------------- what payers' banks do
    def _disputable(self) -> list[Sale]:
        return [sale for sale in self.sales if sale.state == "paid" and not sale.was_disputed and sale.left >= 100]

    @precondition(lambda self: self._disputable())
    @rule(data=st.data())
    def dispute(self, data: st.DataObject) -> None:
        sale = data.draw(st.sampled_from(self._disputable()))
        charge = self.do(lambda: fetch_value("SELECT charge_id FROM payment WHERE subject = $1", sale.id))
        self.stripe.test("dispute", charge=charge, amount=sale.left)
        sale.was_disputed, sale.disputed, sale.state = True, sale.left, "disputed"
        if self.stripe.list("disputes")[0]["status"] == "lost":  # A debit that its bank reversed is lost at once.
            self._lose(sale)

    def _lose(self, sale: Sale) -> None:
        sale.lost, sale.state = sale.disputed, "charged_back"

    @precondition(lambda self: any(sale.state == "disputed" for sale in self.sales))
    @rule(data=st.data(), won=st.booleans())
    def dispute_ends(self, data: st.DataObject, won: bool) -> None:  # noqa: FBT001 (the same)
        sale = data.draw(st.sampled_from([sale for sale in self.sales if sale.state == "disputed"]))
        dispute = self.do(lambda: fetch_value("SELECT id FROM dispute WHERE payment_subject = $1", sale.id))
        self.stripe.test("close_dispute", dispute=dispute, won=won)
        if won:
            sale.state = "paid"
        else:
            self._lose(sale)

    # -------------------------------------------------------------- what people are paid
    @rule()
    def pay_people(self) -> None:
        async def story() -> None:
            run = await payouts.draft(self.nora)
            if run is None:
                return
            await payouts.approve(run, self.paul, reason="checked with the list")
            await payouts.send(run, self.paul)
            answer = self.bank.submit(await file_of_run(run))
            await payouts.record_answer(run, answer, self.nora)
            for _ in range(2):
                await bank_day(self.bank)

        self.do(story)

    # -------------------------------------------------------------- what must always be true
    @invariant()
    def everything_is_right(self) -> None:
        if not hasattr(self, "runner"):
            return
        type(self).steps += 1
        self.do(self._check)
        if not any(sale.state == "processing" for sale in self.sales):  # Their banks would answer unasked.
            self._time_passes(1)

    async def _check(self) -> None:
        await scenes.run_jobs()
        await scenes.ending()  # With its jobs everything has had two ticks.
        rows = {row["id"]: row for row in await fetch("SELECT * FROM purchase_order")}
        for sale in self.sales:
            row = rows[sale.id]
            recorded = (row["state"], row["returned_minor"], row["charged_back_minor"])
            assert recorded == (STATES.get(sale.state, sale.state), sale.refunded, sale.lost), sale
            payment = await fetch_one("SELECT * FROM payment WHERE subject = $1", sale.id)
            assert payment
            assert payment["refunded_minor"] == sale.refunded
        await self._check_people()

    async def _check_people(self) -> None:
        """People have the pools of what is still sold, whether held, theirs or paid out."""
        accrued = await fetch_value(
            """SELECT coalesce(sum(payable_micro), 0)::bigint + (
                   SELECT coalesce(sum(shares_micro), 0)::bigint FROM licence_split WHERE state = 'held'
               ) FROM payable_movements()"""
        )
        out = await fetch_value(
            "SELECT coalesce(sum(payout.amount_minor), 0)::bigint FROM payout JOIN payout_run ON payout_run.id = run WHERE payout.state <> 'failed' AND payout_run.state IN ('sent', 'settled')"
        )
        shares = await fetch_value(
            "SELECT coalesce(sum(shares_micro), 0)::bigint FROM licence_split WHERE state <> 'cancelled'"
        )
        assert accrued == shares - out * MICRO_PER_MINOR
        whole = [sale.id for sale in self.sales if sale.state == "paid" and not sale.refunded]
        pool_of_whole = await fetch(
            """SELECT licence_split.*, licence.posted_minor, licence.subscribers_basis_points
               FROM licence_split JOIN licence ON licence.id = licence WHERE purchase_order = ANY($1)""",
            whole,
        )
        for row in pool_of_whole:
            exact = row["posted_minor"] * row["subscribers_basis_points"]
            assert abs(row["pool_minor"] * 10_000 - exact) < 10_000, "the pool is the rate of the posted price"
        below = await fetch_value(
            "SELECT count(*) FROM (SELECT subscriber FROM payable_movements() GROUP BY 1 HAVING sum(payable_micro) < 0) AS below"
        )
        assert below == 0, "somebody is below zero"


def play_lives(postgres: Any, stripe: Any, *, steps: int, a_life: int) -> int:
    """Play lives of at most `a_life` steps until so many steps are played, always the same ones; return how many."""
    Money.postgres, Money.stripe, Money.steps = postgres, stripe, 0
    chosen = settings(
        max_examples=max(1, steps // (5 * a_life)),
        stateful_step_count=a_life,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    for number in itertools.count():
        if Money.steps >= steps:
            return Money.steps
        run_state_machine_as_test(seed(number)(Money), settings=chosen)
    raise AssertionError


@pytest.mark.long
def test_money_stays_right_for_some_steps(postgres: Any, stripe: Any) -> None:
    assert play_lives(postgres, stripe, steps=12, a_life=12) >= 12


@pytest.mark.deep
def test_money_stays_right_for_hundreds_of_steps(
    postgres: Any, stripe: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """MONEY_MACHINE_STEPS=12000 plays as many, for those who have the time."""
    steps = int(os.environ.get("MONEY_MACHINE_STEPS", "200"))
    played = play_lives(postgres, stripe, steps=steps, a_life=60)
    with capsys.disabled():
        print(f"\nthe machine of money played {played} steps")
    assert played >= steps
