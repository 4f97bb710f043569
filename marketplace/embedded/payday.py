"""The demo's paydays: one run long paid, one that the clock has drafted, and a bank that answers whatever is sent to it.

Every step goes through the same actions as anyone's click, and one that was killed goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Final

import structlog
from stdnum import iban

from marketplace import clock
from marketplace.bank.actions import import_bank_statement
from marketplace.bank.payout_lines import match_payouts
from marketplace.database import execute, fetch, fetch_one, fetch_value
from marketplace.earnings import bank_details, payouts
from marketplace.earnings.payout_file import open_file
from marketplace.embedded.bank import Bank
from marketplace.identity.actors import Actor
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger(__name__)
NAMESPACE: Final = uuid.UUID("5b7f9a52-9a0e-4a35-8a47-1f0f6d3b7f10")
OUR_IBAN: Final = "FR7630006000011234567890189"
LUCIES_IBAN: Final = "FR1420041010050500013M02606"
FIRST_NAMES: Final = ("Awa", "Bruno", "Chloé", "Driss", "Élise", "Farid", "Gaëlle", "Hugo", "Inès", "Jules")
LAST_NAMES: Final = ("Bernard", "Dubois", "Garnier", "Lefèvre", "Moreau", "Nguyen", "Petit", "Roussel")
PAID, WAITING = 24, 16
"""How many lines the first run pays, and how many the clock's draft finds."""
BANK_LOOKS_EVERY_SECONDS: Final = 5


async def make_paydays(lucie: int, first: str, second: str) -> None:
    """Pay Lucie and some others once, as two people of finance decided (their emails), and let more be due."""
    nora, hugo = await _clerk(first), await _clerk(second)
    lines = [
        row["subscriber"]
        for row in await fetch(
            """SELECT subscriber FROM accrual WHERE subscriber <> $1 GROUP BY subscriber
               HAVING sum(payable_micro) >= 10000 * $2::bigint ORDER BY sum(payable_micro) DESC, subscriber LIMIT $3""",
            lucie, settings().payout_threshold_minor, PAID + WAITING,
        )
    ]  # fmt: skip
    run = await fetch_value("SELECT id FROM payout_run WHERE prepared_by = $1", nora.person)
    if run is None:
        await _give_details(lucie, "Lucie Martin", LUCIES_IBAN)
        for line in lines[:PAID]:
            await _give_details(line, _name(line), iban_of(line))
        run = await payouts.draft(nora)
    if run is None:
        return
    if (await payouts.get_run(run))["state"] == "draft":
        await payouts.approve(run, hugo, reason="Somme vérifiée avec la balance")
    await payouts.send(run, hugo)
    await answer_runs(refuses={iban_of(lines[0]): "AC04"} if lines else {})
    for line in lines[PAID:]:
        await _give_details(line, _name(line), iban_of(line))


async def answer_runs(*, refuses: dict[str, str] | None = None) -> int:
    """Be the bank of every run that is sent: answer its file, pay it, and send the day's statement; return how many."""
    runs = await fetch("SELECT id, execute_on FROM payout_run WHERE state = 'sent' AND route = 'sepa' ORDER BY sent_at")
    for run in runs:
        last = await fetch_one(
            """SELECT closing_minor, sequence FROM bank_statement WHERE iban = $1
               ORDER BY sequence DESC NULLS LAST LIMIT 1""",
            settings().payout_iban,
        )  # fmt: skip
        bank = Bank(settings().payout_iban, refuses=refuses or {})
        if last:
            bank.balance_cents, bank.days = last["closing_minor"], last["sequence"] or 0
        report = bank.take(b"".join([piece async for piece in await open_file(run["id"])]))
        await payouts.take_answer(run["id"], report, None)
        statement = bank.close_day(run["execute_on"], booked_on=clock.now().date())
        await import_bank_statement(statement, person=None, new_account=True)
        await match_payouts()
    return len(runs)


@contextlib.asynccontextmanager
async def bank_open() -> AsyncIterator[None]:
    """Keep the demo's bank open while the block runs."""

    async def hours() -> None:
        while True:
            await asyncio.sleep(BANK_LOOKS_EVERY_SECONDS)
            try:
                await answer_runs()
            except Exception:  # the bank's trouble is not the demo's end
                log.exception("the demo's bank could not answer")

    working = asyncio.create_task(hours())
    try:
        yield
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


def iban_of(line: int) -> str:
    """Return a German IBAN that no bank gave anybody, of a line's own."""
    bban = f"37040044{line % 10**10:010d}"
    return f"DE{iban.calc_check_digits(f'DE00{bban}')}{bban}"


def _name(line: int) -> str:
    return f"{FIRST_NAMES[line % len(FIRST_NAMES)]} {LAST_NAMES[line % len(LAST_NAMES)]}"


async def _give_details(line: int, holder: str, number: str) -> None:
    await execute(
        "UPDATE subscriber SET claimed_at = $2 WHERE reference = $1 AND claimed_at IS NULL", line, clock.now()
    )
    await bank_details.write_details(line, holder=holder, iban=number, details=uuid.uuid5(NAMESPACE, str(line)))


async def _clerk(email: str) -> Actor:
    row = await fetch_one("SELECT id, name FROM person WHERE email = $1", email)
    assert row, "the world's people are let in first"
    return Actor(name=row["name"], person=row["id"], role="finance")
