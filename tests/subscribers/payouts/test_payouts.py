"""Payout runs: whole cents above a threshold, four eyes, one file however often it is asked for, money back when refused."""

import asyncio
import datetime as dt
import uuid

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotAllowed
from marketplace.money.ledger.chart import SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE
from marketplace.money.ledger.queries import balance
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import bank_details
from tests.finance.builders.banking import bank_pays
from tests.people.builders import kinds_written, make_staff
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.payees import file_of_run
from tests.support.reads import fetch, fetch_one, fetch_value


async def test_a_run_pays_whole_cents_above_the_threshold_and_the_rest_carries_over() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 300, 2: 300, 3: 300, 4: 5})  # 10_000 cents over 905
        before = {line: await payees.balance_of(line) for line in (1, 2, 3, 4)}
        assert before[1] == 33_149_171
        await payees.write_bank_details(1, 2, 4)
        drafted = await payouts.draft(await make_staff("Nora"))
        rows = await fetch("SELECT subscriber, amount_minor FROM payout WHERE run = $1 ORDER BY 1", drafted)
        assert [tuple(row) for row in rows] == [(1, 3314), (2, 3314)], "3 has no details, 4 is below the threshold"
        assert await payees.balance_of(1) == before[1], "a draft moves nothing"
        paul = await make_staff("Paul")
        await payouts.approve(drafted, paul, reason="looks right")
        await payouts.send(drafted, paul)
        assert await payees.balance_of(1) == 33_149_171 - 33_140_000
        assert await payees.balance_of(3) == before[3]
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == -6628
        assert await balance(SUBSCRIBERS_PAYABLE) == -(10_000 - 6628)


@pytest.mark.long
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    weights=some.lists(some.integers(1, 1000), min_size=1, max_size=40),
    nets=some.lists(some.integers(1, 60_000), min_size=1, max_size=4),
    threshold=some.integers(1, 2000),
)
async def test_nothing_is_lost_between_millionths_and_cents(
    weights: list[int], nets: list[int], threshold: int
) -> None:
    with payees.paying(PAYOUT_THRESHOLD_MINOR=str(threshold)):
        if not await fetch_value("SELECT count(*) FROM dataset"):
            await sales.write_lines(range(1, 41))
            await payees.write_bank_details(*range(1, 41))
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        model = {line: await payees.balance_of(line) for line in range(1, 41)}
        for net in nets:
            await payees.earn(dict(enumerate(weights, 1)), net)
            earned = {line: await payees.balance_of(line) for line in model}
            released, rounding = await fetch_value(
                """SELECT ARRAY[amount_minor, sum(rounding_micro)::bigint] FROM share_run
                   JOIN licence_split ON ended_by = share_run.id
                   WHERE kind = 'release' GROUP BY share_run.id ORDER BY share_run.id DESC LIMIT 1"""
            )
            assert sum(earned.values()) - sum(model.values()) == released * 10_000 - rounding
            assert 0 <= rounding < 10_000
            model = earned
            due = {line: micro // 10_000 for line, micro in model.items() if micro >= threshold * 10_000}
            drafted = await payouts.draft(nora)
            assert (drafted is None) == (not due)
            if drafted:
                rows = await fetch("SELECT subscriber, amount_minor FROM payout WHERE run = $1", drafted)
                assert {row["subscriber"]: row["amount_minor"] for row in rows} == due
                await payouts.approve(drafted, paul, reason="right")
                await payouts.send(drafted, paul)
                for line, cents in due.items():
                    model[line] -= cents * 10_000
                    assert 0 <= model[line] < 10_000
                assert await bank_pays(drafted) == 1
            assert {line: await payees.balance_of(line) for line in model} == model


async def test_a_choice_above_the_threshold_counts_and_one_below_is_refused() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1, 2: 1}, 1000)  # 250 cents each
        await payees.write_bank_details(1, 2)
        await bank_details.choose_threshold(1, 251)
        with pytest.raises(Invalid, match=r"from 1\.00 EUR to"):
            await bank_details.choose_threshold(2, 99)
        await bank_details.choose_threshold(2, 250)
        await payouts.draft()
        assert [row["subscriber"] for row in await fetch("SELECT subscriber FROM payout")] == [2]


async def test_four_eyes_in_the_rule_and_in_the_database() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        drafted = await payouts.draft(nora)
        assert drafted
        with pytest.raises(NotAllowed, match="somebody else"):
            await payouts.approve(drafted, nora, reason="my own")
        with pytest.raises(asyncpg.CheckViolationError, match="four_eyes"):
            await execute("UPDATE payout_run SET approved_by = prepared_by")
        with pytest.raises(asyncpg.CheckViolationError):
            await execute("UPDATE payout_run SET state = 'approved'")
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute("UPDATE payout_run SET prepared_by = $1", paul.person)
        with pytest.raises(Conflict, match="second person"):
            await payouts.send(drafted, nora)
        with pytest.raises(Invalid, match="Say why"):
            await payouts.approve(drafted, paul, reason=" x ")
        await payouts.approve(drafted, paul, reason="checked")
        await payouts.approve(drafted, paul, reason="checked")
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute("UPDATE payout_run SET approved_by = $1", (await make_staff("Eve")).person)
        trail = await fetch("SELECT verb, person, reason FROM staff_action ORDER BY id")
        assert [(row["verb"], row["person"], row["reason"]) for row in trail] == [
            ("draft_payout_run", nora.person, ""),
            ("approve_payout_run", paul.person, "checked"),
        ]


async def test_the_clocks_draft_needs_two_people() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        drafted = await payouts.draft_on_time()
        assert drafted
        assert await payouts.draft_on_time() is None, "one draft at a time"
        with pytest.raises(Conflict, match="Nobody has looked"):
            await payouts.approve(drafted, nora, reason="alone")
        await payouts.prepare(drafted, nora)
        with pytest.raises(NotAllowed):
            await payouts.approve(drafted, nora, reason="alone")
        with pytest.raises(Conflict, match="Somebody else"):
            await payouts.prepare(drafted, paul)
        await payouts.approve(drafted, paul, reason="together")
        assert (await kinds_written()).count("run_to_approve") == 2, "to be looked through, then to be approved"


async def test_two_approve_send_and_draft_at_once() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1, 2: 2})
        await payees.write_bank_details(1, 2)
        clerks = [await make_staff(name) for name in ("Nora", "Paul", "Ada", "Max")]
        drafts = await asyncio.gather(*[payouts.draft(one) for one in clerks], return_exceptions=True)
        drafted = [one for one in drafts if isinstance(one, uuid.UUID)]
        assert len(drafted) == 1
        assert sum(isinstance(one, Conflict) for one in drafts) == 3
        preparer = await fetch_value("SELECT prepared_by FROM payout_run")
        others = [one for one in clerks if one.person != preparer]
        answers = await asyncio.gather(
            *[payouts.approve(drafted[0], one, reason="checked") for one in others], return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "Conflict", "NoneType"]
        before = await payees.balance_of(1)
        await asyncio.gather(*[payouts.send(drafted[0], one) for one in clerks])
        paid = await fetch_value("SELECT amount_minor FROM payout WHERE subscriber = 1")
        assert await payees.balance_of(1) == before - paid * 10_000
        assert await fetch_value("SELECT count(*) FROM journal_entry WHERE kind = 'payout_sent'") == 1
        assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'send_payout_run'") == 1


async def test_what_is_paid_or_under_way_is_not_drafted_again() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        sent = await payees.draft_and_send(nora=nora, paul=paul)
        assert await payouts.draft(nora) is None
        await payees.earn({1: 1})
        assert await payouts.draft(nora) is None, "one payout is still under way"
        assert await bank_pays(sent) == 1
        ids = [row["id"] for row in await fetch("SELECT id FROM payout")]
        assert await payouts.settle(ids, clock.now()) == 0, "what is settled is not settled again"
        assert await fetch_value("SELECT state FROM payout_run") == "settled"
        assert await payouts.draft(nora)


async def test_the_database_refuses_to_pay_more_than_there_is() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        mine = await payees.balance_of(1)
        with pytest.raises(asyncpg.CheckViolationError, match="more than the subscriber has"):
            await execute(
                """WITH pass AS (INSERT INTO share_run (kind, at, amount_minor, people) VALUES ('payout', now(), 1, 1)
                                 RETURNING id)
                   INSERT INTO accrual (run, subscriber, payable_micro) SELECT id, 1, $1 FROM pass""",
                -mine - 1,
            )
        await payees.write_bank_details(1)
        await payouts.draft(await make_staff("Nora"))
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute("UPDATE payout SET amount_minor = amount_minor + 1")
        with pytest.raises(asyncpg.UniqueViolationError):
            await execute(
                """INSERT INTO payout (id, run, batch, subscriber, details, amount_minor, state)
                   SELECT gen_random_uuid(), run, batch, subscriber, details, amount_minor, 'open' FROM payout"""
            )
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute("DELETE FROM payout")


async def test_a_run_given_up_moves_nothing_and_everyone_is_due_again() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        drafted = await payouts.draft(nora)
        assert drafted
        await payouts.approve(drafted, paul, reason="checked")
        await payouts.cancel(drafted, nora, reason="the list was old")
        with pytest.raises(Conflict):
            await payouts.send(drafted, paul)
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
        again = await payouts.draft(nora)
        assert again
        assert again != drafted
        await payouts.approve(again, paul, reason="checked")
        await payouts.send(again, paul)
        with pytest.raises(Conflict, match="was sent"):
            await payouts.cancel(again, nora, reason="too late")


async def test_a_run_is_not_sent_without_the_payers_account() -> None:
    with payees.paying(PAYOUT_IBAN=""):
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        with pytest.raises(Conflict, match="PAYOUT_IBAN"):
            await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        assert await fetch_value("SELECT state FROM payout_run") == "approved"
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0


async def test_a_changed_iban_holds_the_next_payout() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        await bank_details.write_details(1, holder="Eve", iban=payees.iban_of(99), details=uuid.uuid4())
        assert await payouts.draft() is None
        await bank_details.remove_details(1)
        await bank_details.write_details(1, holder="Eve", iban=payees.iban_of(99), details=uuid.uuid4())
        assert await payouts.draft() is None, "removing first is no way around"
        assert (await kinds_written()).count("bank_details_changed") == 4
        with clock.shifted(dt.timedelta(days=7, seconds=1)):
            assert await payouts.draft()


async def test_the_same_details_again_or_a_corrected_name_hold_nothing() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        form = uuid.uuid4()
        for _ in range(2):
            await bank_details.write_details(1, holder="Zoé", iban=payees.iban_of(1), details=form)
        await bank_details.write_details(1, holder=" Zoé ", iban=payees.iban_of(1).lower(), details=uuid.uuid4())
        assert await fetch_value("SELECT count(*) FROM bank_details") == 1
        await bank_details.write_details(1, holder="Zoé L.", iban=payees.iban_of(1), details=uuid.uuid4())
        assert await fetch_value("SELECT count(*) FROM bank_details WHERE ended_at IS NULL") == 1
        assert await payouts.draft()


async def test_a_payout_drafted_before_a_change_goes_where_it_was_drafted_for() -> None:
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        drafted = await payouts.draft(nora)
        assert drafted
        await bank_details.write_details(1, holder="Eve", iban=payees.iban_of(99), details=uuid.uuid4())
        await payouts.approve(drafted, paul, reason="checked")
        await payouts.send(drafted, paul)
        file = await file_of_run(drafted)
        assert payees.iban_of(1).encode() in file
        assert payees.iban_of(99).encode() not in file


async def test_what_the_accruals_say_is_in_the_month() -> None:
    from marketplace.subscribers.earnings.queries import list_months  # noqa: PLC0415

    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1})
        await payees.write_bank_details(1)
        await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        months = await list_months(1)
        assert sum(month.paid_micro for month in months) == 100_000_000
        row = await fetch_one("SELECT * FROM share_run WHERE kind = 'payout'")
        assert row
        assert (row["amount_minor"], row["people"]) == (10_000, 1)
