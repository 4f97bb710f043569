"""Do one step of a payout again and again, each time in a child that dies by SIGKILL some lines later than the last.

`python -m tests.marketplace.earnings.killed_payouts URL STEP EVERY [FILE]` prints how often it was killed before it got
through; after each death every invariant holds, so all of the step is done or nothing.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.database import fetch_one, fetch_value
from marketplace.earnings import payouts
from marketplace.finance.payout_lines import match_payouts
from marketplace.identity.actors import Actor
from marketplace.invariants import broken
from tests.marketplace.earnings.killed import in_a_child
from tests.marketplace.earnings.payees import DAYS_15

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

WATCHED = (
    "earnings/payouts.py", "earnings/payout_file.py", "finance/payout_lines.py", "finance/matching.py", "ledger/actions.py", "ledger/audit.py",
)  # fmt: skip


async def send_approved(_: bytes) -> object:
    """Send the run that is approved, if it still is."""
    run = await fetch_one("SELECT id, approved_by FROM payout_run WHERE state = 'approved'")
    return run and await payouts.send(run["id"], Actor(name="Paul", person=run["approved_by"], role="finance"))


async def take_answer(file: bytes) -> object:
    """Take the bank's answer about the run."""
    return await payouts.take_answer(await fetch_value("SELECT id FROM payout_run"), file, None)


STEPS: dict[str, Callable[[bytes], Awaitable[object]]] = {
    "draft": lambda _: payouts.draft_on_time(),
    "send": send_approved,
    "answer": take_answer,
    "match": lambda _: match_payouts(),
}


async def dying(step: str, file: bytes, left: int) -> None:
    """Do a step and die before its `left`-th line."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(WATCHED) or frame.f_code.co_name.startswith("<"):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    with clock.shifted(DAYS_15):
        sys.settrace(trace)
        await STEPS[step](file)
        sys.settrace(None)


async def check() -> None:
    """Wait until the server has buried the dead child's connections, then look."""
    while await fetch_value(  # noqa: ASYNC110 (the server tells nobody when it has buried them)
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ):
        await asyncio.sleep(0.01)
    offenders = await broken()
    assert not offenders, offenders


def main(url: str, step: str, every: int, file: bytes = b"") -> None:
    deaths = 0
    while in_a_child(url, functools.partial(dying, step, file, 1 + deaths * every)):
        deaths += 1
        in_a_child(url, check)
    print(deaths)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]).read_bytes() if len(sys.argv) > 4 else b"")
