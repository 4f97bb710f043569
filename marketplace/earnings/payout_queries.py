"""What pages need to see of payouts: a subscriber's own, and for finance each run by its sums; names and IBANs stay sealed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from marketplace.database import fetch, fetch_one
from marketplace.earnings.payouts import DUE, DUE_AT_STRIPE
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.settings import settings

if TYPE_CHECKING:
    import uuid

    import asyncpg

SENTENCES = {
    "AC01": "the bank does not know this account number",
    "AC03": "the bank does not know this account number",
    "AC04": "the account is closed",
    "AC06": "the account is blocked",
    "AC13": "this kind of account takes no such transfer",
    "AG01": "this kind of account takes no such transfer",
    "AM04": "our own account did not cover it",
    "AM05": "the bank had it twice",
    "BE01": "the holder's name does not fit the account",
    "CNOR": "the holder's bank cannot be reached",
    "DNOR": "our bank could not send it",
    "FOCR": "it was called back",
    "MD07": "the account's holder has died",
    "MS02": "the account's holder sent it back",
    "MS03": "the bank does not say why",
    "RC01": "the holder's bank cannot be reached",
    "RR04": "a bank's legal duties",
    "TM01": "it came after the bank's closing time",
    "STRIPE": "Stripe could not transfer it",
    "": "the bank gives its reason as a code",
}
"""A bank's code for why a payout came back → in plain words; last, for every other code."""

STEPS: Final = (1, 2, 3, 5, 10, 20, 50)
"""Where the chart of a run's amounts is cut: these many times its threshold."""


def next_draft_after(now: dt.datetime, every: int) -> dt.datetime:
    """Return when the clock drafts next: slots are `every` seconds long, counted from the epoch."""
    return dt.datetime.fromtimestamp((now.timestamp() // every + 1) * every, dt.UTC)


def in_words(code: str | None) -> str:
    """Return a bank's code in plain words, to be translated."""
    return SENTENCES.get(code or "", SENTENCES[""])


# ------------------------------------------------------------------ a subscriber's own
async def get_outlook(line: int, payable_micro: int, now: dt.datetime) -> dict[str, Any]:
    """Return when and how a line is paid next: its threshold, how far it is, its bank details, what is under way."""
    choice = await fetch_one(
        "SELECT payout_choice.* FROM payout_choice JOIN subscriber ON reference = subscriber AND chosen_at >= claimed_at WHERE subscriber = $1",
        line,
    )
    lowest = settings().payout_threshold_minor
    threshold = max(lowest, choice["threshold_minor"] if choice else 0)
    under_way = await fetch_one(
        """SELECT payout.amount_minor, payout_run.state AS run_state, payout_run.execute_on, last_four
           FROM payout JOIN payout_run ON payout_run.id = payout.run
           LEFT JOIN bank_details ON bank_details.id = payout.details
           WHERE payout.subscriber = $1 AND payout.state = 'open'""",
        line,
    )
    kept_micro = payable_micro
    if under_way and under_way["run_state"] in ("draft", "approved"):
        kept_micro -= under_way["amount_minor"] * 10_000
    details = await fetch_one(
        """SELECT bank_details.* FROM bank_details JOIN subscriber ON reference = subscriber AND added_at >= claimed_at
           WHERE subscriber = $1 AND ended_at IS NULL""",
        line,
    )
    return {
        "lowest_minor": lowest,
        "threshold_minor": threshold,
        "share": min(1.0, kept_micro / (threshold * 10_000)),
        "is_reached": kept_micro >= threshold * 10_000,
        "missing_micro": max(0, threshold * 10_000 - kept_micro),
        "details": details,
        "is_held": details is not None and details["usable_from"] > now,
        "changed": details if details and details["usable_from"] > now else None,
        "under_way": under_way,
        "at_stripe": choice is not None and choice["stripe_account"] is not None,
        "stripe_new_until": choice["stripe_from"]
        if choice and choice["stripe_from"] and choice["stripe_from"] > now
        else None,
        "next_draft_at": next_draft_after(now, settings().payouts_every_seconds),
    }


async def list_payouts(line: int, page: int = 1) -> Paged[Any]:
    """Return one page of a line's payouts, the latest first; what was given up before it was sent is none."""
    rows = await fetch(
        """SELECT payout.*, payout_run.state AS run_state, payout_run.sent_at, payout_run.execute_on, payout_run.drafted_at,
                  last_four
           FROM payout JOIN payout_run ON payout_run.id = payout.run
           LEFT JOIN bank_details ON bank_details.id = payout.details
           WHERE payout.subscriber = $1 AND payout.state <> 'cancelled'
           ORDER BY payout_run.drafted_at DESC, payout.id LIMIT $2 OFFSET $3""",
        line, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged([dict(row) | {"why": in_words(row["reason"])} for row in rows], page)


async def list_details(line: int) -> list[asyncpg.Record]:
    """Return the latest changes of its holder's bank details, as far as they are ever shown."""
    return await fetch(
        """SELECT last_four, country, added_at, usable_from, ended_at, refused_at, refused_reason
           FROM bank_details JOIN subscriber ON reference = subscriber AND added_at >= claimed_at
           WHERE subscriber = $1 ORDER BY added_at DESC LIMIT 10""",
        line,
    )


# ------------------------------------------------------------------ finance's runs
RUNS: Final = """
SELECT payout_run.*, prepared.name AS prepared_name, approved.name AS approved_name, cancelled.name AS cancelled_name
FROM payout_run
LEFT JOIN person AS prepared ON prepared.id = prepared_by
LEFT JOIN person AS approved ON approved.id = approved_by
LEFT JOIN person AS cancelled ON cancelled.id = cancelled_by
"""


async def list_runs(page: int = 1) -> Paged[Any]:
    """Return one page of payout runs, the latest first."""
    rows = await fetch(f"{RUNS} ORDER BY drafted_at DESC, id LIMIT $1 OFFSET $2", PAGE_SIZE + 1, offset(page))
    return paged(rows, page)


async def get_run_page(run: uuid.UUID) -> dict[str, Any]:
    """Return all that finance sees of one run: its sums by state, its batches and the bank's answers, the spread of amounts."""
    row = await fetch_one(f"{RUNS} WHERE payout_run.id = $1", run)
    if row is None:
        raise NotFound("There is no such payout run.")
    bounds = [row["threshold_minor"] * step for step in STEPS]
    states = await fetch(
        """SELECT state, count(*) AS people, sum(amount_minor)::bigint AS amount_minor FROM payout WHERE run = $1
           GROUP BY state""",
        run,
    )
    spread = await fetch(
        "SELECT width_bucket(amount_minor, $2::bigint[]) AS bucket, count(*) AS people FROM payout WHERE run = $1 GROUP BY 1",
        run, bounds,
    )  # fmt: skip
    people = {row["bucket"]: row["people"] for row in spread}
    shared = await fetch_one(
        """SELECT count(*) AS people FROM payout JOIN bank_details ON bank_details.id = payout.details
           WHERE payout.run = $1 AND EXISTS (
               SELECT FROM bank_details AS other WHERE other.fingerprint = bank_details.fingerprint
               AND other.subscriber <> bank_details.subscriber AND other.ended_at IS NULL)""",
        run,
    )
    return dict(row) | {
        "states": {state["state"]: state for state in states},
        "spread": [(bound, people.get(number + 1, 0)) for number, bound in enumerate(bounds)],
        "shared": shared["people"] if shared else 0,
        "batches": await fetch("SELECT * FROM payout_batch WHERE run = $1 ORDER BY number LIMIT 100", run),
        "answers": await fetch("SELECT * FROM payout_answer WHERE run = $1 ORDER BY taken_at DESC LIMIT 50", run),
        "entries": await fetch(
            """SELECT journal_entry.id, kind, at, sum(amount_minor)::bigint AS amount_minor
               FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
               WHERE kind = 'payout_sent' AND source_id = $1
                  OR kind = 'payout_back' AND source_id IN (SELECT put_back_by::text FROM payout WHERE run = $2)
               GROUP BY journal_entry.id ORDER BY at, journal_entry.id LIMIT 50""",
            str(run), run,
        ),
    }  # fmt: skip


async def list_run_payouts(run: uuid.UUID, page: int = 1, state: str = "") -> Paged[Any]:
    """Return one page of a run's payouts: lines and the last four characters, never a name."""
    rows = await fetch(
        """SELECT payout.*, last_four, bank_details.country FROM payout
           LEFT JOIN bank_details ON bank_details.id = payout.details
           WHERE payout.run = $1 AND ($2 = '' OR payout.state = $2)
           ORDER BY batch, payout.id LIMIT $3 OFFSET $4""",
        run, state, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged([dict(row) | {"why": in_words(row["reason"])} for row in rows], page)


async def count_due(now: dt.datetime) -> dict[str, Any]:
    """Return how many would be paid now and how much, and how many wait for bank details though above the threshold."""
    threshold = settings().payout_threshold_minor
    due = {}
    for route, sql in (("sepa", DUE), ("stripe", DUE_AT_STRIPE)):
        row = await fetch_one(
            f"SELECT count(*) AS people, coalesce(sum(div(payable_micro, 10000)), 0)::bigint AS amount_minor FROM ({sql}) AS due",
            threshold, now,
        )  # fmt: skip
        assert row
        due[route] = row
    waiting = await fetch_one(
        """SELECT count(*) AS people, coalesce(sum(div(payable_micro, 10000)), 0)::bigint AS amount_minor FROM (
               SELECT sum(payable_micro) AS payable_micro FROM accrual
               WHERE NOT EXISTS (SELECT FROM bank_details WHERE bank_details.subscriber = accrual.subscriber
                                 AND ended_at IS NULL AND refused_at IS NULL)
               GROUP BY subscriber HAVING sum(payable_micro) >= $1 * 10000) AS waiting""",
        threshold,
    )
    assert waiting
    return {**due, "waiting": waiting}
