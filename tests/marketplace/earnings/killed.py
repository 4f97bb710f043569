"""Scenes of earnings for `tests.support.dying`: a job of shares or a step of a payout, of one subject all along.

Whatever it was killed at, it did all of it or nothing; the next try begins where the last one died.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.dataset  # noqa: F401 (once here, or for a second in every child)

from marketplace import clock
from marketplace.bank.payout_lines import match_payouts
from marketplace.database import fetch_one, fetch_value
from marketplace.earnings import payouts
from marketplace.earnings.actions import cancel_shares, hold_shares, release_shares
from marketplace.identity.actors import Actor
from marketplace.invariants import broken
from tests.marketplace.earnings.payees import DAYS_15
from tests.marketplace.earnings.sales import check_whole
from tests.support.dying import Scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SHARES = ("marketplace/earnings/actions.py", "marketplace/ledger/actions.py")
PAYOUTS = (
    "earnings/payouts.py", "earnings/payout_file.py", "bank/payout_lines.py", "bank/matching.py", "ledger/actions.py", "identity/audit_trail.py",
)  # fmt: skip
BANKS_ANSWER = "BANKS_ANSWER"
"""The variable that names the file of the bank's answer."""


async def send_approved() -> None:
    """Send the run that is approved, if it still is."""
    run = await fetch_one("SELECT id, approved_by FROM payout_run WHERE state = 'approved'")
    if run:
        await payouts.send(run["id"], Actor(name="Paul", person=run["approved_by"], role="finance"))


async def take_answer() -> None:
    """Take the bank's answer about the run."""
    answer = await asyncio.to_thread(Path(os.environ[BANKS_ANSWER]).read_bytes)
    await payouts.take_answer(await fetch_value("SELECT id FROM payout_run"), answer, None)


async def check_invariants() -> None:
    """Refuse anything half done."""
    offenders = await broken()
    assert not offenders, offenders


def _again(
    work: Callable[[], Awaitable[object]], check: Callable[[], Awaitable[None]], watched: tuple[str, ...]
) -> Scene:
    async def act(_: str) -> None:
        with clock.shifted(DAYS_15):
            await work()

    return Scene(None, act, lambda _: check(), watched, later=dt.timedelta(0))


SCENES = {work.__name__: _again(work, check_whole, SHARES) for work in (hold_shares, release_shares, cancel_shares)} | {
    step: _again(work, check_invariants, PAYOUTS)
    for step, work in (
        ("draft", payouts.draft_on_time), ("send", send_approved), ("answer", take_answer), ("match", match_payouts),
    )
}  # fmt: skip
