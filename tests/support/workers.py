"""A worker of money that never rests: every job again and again, out of turn, though jobs fail, until it is stopped.

`python -m tests.support.workers SECONDS` works on the environment's database with its clock that much
ahead. Unlike `marketplace jobs` it takes no turns, so that several of them really do the same work at once.
"""

import asyncio
import contextlib
import datetime as dt
import signal
import subprocess
import sys
from collections.abc import Iterator

from marketplace.core import clock, database
from marketplace.core.settings import settings
from marketplace.finance.bank.payout_lines import match_payouts
from marketplace.subscribers.payouts.actions import follow_transfers
from tests.support import scenes

AT_WORK = "at work"


async def work_until_stopped(url: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await database.open_pool(url, size=6)
    print(AT_WORK, flush=True)
    while not stop.is_set():
        for job in (*scenes.JOBS, match_payouts, follow_transfers):
            try:
                await job()
            except Exception as error:  # noqa: BLE001 (a worker reports what failed and goes on)
                print(f"{job.__name__}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.05)
    await database.close_pool()


@contextlib.contextmanager
def working(*ahead: dt.timedelta) -> Iterator[list[subprocess.Popen[str]]]:
    """Let a worker work in a process of its own for each of these clocks, ahead of this process's; all are at work."""
    name = "tests.support.workers"
    now_ahead = clock.now() - dt.datetime.now(dt.UTC)
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", name, str((now_ahead + more).total_seconds())], stdout=subprocess.PIPE, text=True
        )
        for more in ahead
    ]
    try:
        for worker in workers:
            assert worker.stdout
            assert worker.stdout.readline().strip() == AT_WORK
        yield workers
        assert [worker.poll() for worker in workers] == [None] * len(workers), "a worker gave up"
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.communicate()


if __name__ == "__main__":
    with clock.shifted(dt.timedelta(seconds=float(sys.argv[1]))):
        asyncio.run(work_until_stopped(settings().database_url))
