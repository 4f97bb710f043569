"""Scenes of payouts for `tests.support.dying`: a step of a payout run, of one subject all along.

A step that was killed did all of it or nothing; the next try begins where the last one died.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pyarrow.dataset  # noqa: F401 (once here, or for a second in every child)

from marketplace.bank.payout_lines import match_payouts
from marketplace.identity.actors import Actor
from marketplace.invariants import broken
from marketplace.payouts import actions as payouts
from tests.marketplace.earnings.killed import again
from tests.support.reads import fetch_one, fetch_value

PAYOUTS = (
    "payouts/actions.py",
    "payouts/bank_file.py",
    "earnings/actions.py",
    "bank/payout_lines.py",
    "bank/matching.py",
    "ledger/actions.py",
    "audit_trail/actions.py",
)
BANKS_ANSWER = "BANKS_ANSWER"
"""The variable that names the file of the bank's answer."""


async def send_approved() -> None:
    """Send the run that is approved, if it still is."""
    run = await fetch_one("SELECT id, approved_by FROM payout_run WHERE state = 'approved'")
    if run:
        await payouts.send(run["id"], Actor(name="Paul", person=run["approved_by"], role="finance"))


async def record_answer() -> None:
    """Record the bank's answer about the run."""
    answer = await asyncio.to_thread(Path(os.environ[BANKS_ANSWER]).read_bytes)
    await payouts.record_answer(await fetch_value("SELECT id FROM payout_run"), answer, None)


async def check_invariants() -> None:
    """Refuse anything half done."""
    offenders = await broken()
    assert not offenders, offenders


SCENES = {
    step: again(work, check_invariants, PAYOUTS)
    for step, work in (
        ("draft", payouts.draft_on_time),
        ("send", send_approved),
        ("answer", record_answer),
        ("match", match_payouts),
    )
}
