"""Posting a day of sales into the books, against COPY of the same rows into the same tables.

`python3 tests bench journal` prints `journal post RATIO …`: how many times as fast as that COPY the day is posted, by the
verb that every package posts with, in pieces as a job hands them over. Both write entries and postings with the tables'
indexes, keys and triggers, into databases of their own, in turns. `--size 1000000` measures a large day.
"""

import datetime as dt
import functools
import time
import uuid
from collections.abc import Awaitable, Callable

from marketplace.core.database import copy_in, transaction
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import Entry, record_all
from marketplace.money.ledger.queries import balance
from tests.benchmarks._bench import Run, new_database, play_on_database
from tests.support.reads import fetch_value

SIZE, SMALLEST = 100_000, 1_000
"""Sales."""
PIECE, ROUNDS = 10_000, 3
FLOOR = 0.4


def main(run: Run) -> None:
    """Run it; the peer is the database's own COPY."""
    posted, copied = [], []
    with run.marketplace() as place:
        for _ in range(ROUNDS):
            for work, seconds in ((_post, posted), (_copy, copied)):
                with new_database(place.server) as url:
                    seconds.append(play_on_database(url, functools.partial(_measure, work, run.size)))
    ratio = min(copied) / min(posted)
    spent = f"({min(posted):.2f} s, {run.size / min(posted):.0f} a second; COPY {min(copied):.2f} s)"
    run.figure("post", f"{ratio:.2f}", f"× COPY of the same rows into the same tables, {run.size} sales {spent}")
    run.require(ratio >= FLOOR, f"Posting must be at least {FLOOR} × COPY.")


async def _measure(work: Callable[[list[Entry]], Awaitable[None]], sales: int) -> float:
    """Return the seconds that a day takes in an empty database, and stop unless it is in the books to the cent."""
    day = make_day(sales)
    start = time.perf_counter()
    await work(day)
    seconds = time.perf_counter() - start
    whole = sum(amount for entry in day for _, _, amount in entry.postings)
    assert await balance(chart.PARTNERS) == whole
    assert await fetch_value("SELECT count(*) FROM posting") == 2 * sales
    return seconds


def make_day(sales: int) -> list[Entry]:
    """Make the entries of a day of sales, each with its VAT."""
    start = dt.datetime(2026, 11, 20, 6, tzinfo=dt.UTC)
    text, made = "Sale of a licence", []
    for number in range(sales):
        net = 1_000 + number % 90_000
        moves = [
            (chart.PARTNERS, chart.LICENCES_SOLD, net),
            (chart.PARTNERS, chart.VAT_COLLECTED, (net * 20 + 50) // 100),
        ]
        at = start + dt.timedelta(milliseconds=number % 40_000_000)
        made.append(Entry("sale", str(uuid.uuid4()), at, text, moves))
    return made


async def _post(day: list[Entry]) -> None:
    for start in range(0, len(day), PIECE):
        assert len(await record_all(day[start : start + PIECE])) == len(day[start : start + PIECE])


async def _copy(day: list[Entry]) -> None:
    """COPY the same rows, piece by piece as well, with entries numbered by hand."""
    for start in range(0, len(day), PIECE):
        piece = list(enumerate(day[start : start + PIECE], start + 1))
        async with transaction():
            await copy_in(
                "journal_entry",
                ("id", "kind", "source_id", "at", "recorded_at", "currency", "text"),
                [(key, each.kind, each.source_id, each.at, each.at, each.currency, each.text) for key, each in piece],
            )
            await copy_in(
                "posting",
                ("entry", "debit", "credit", "amount_minor"),
                [(key, *moved) for key, each in piece for moved in each.postings],
            )
