"""Verification of payee: our bank checks, before money leaves, whether each account belongs to the person named.

The bank answers that a name matches, nearly matches or does not, or that it does not know: through an interface before
a run is sent, or in its report on the run's file (pain.002), which it does not execute until it is authorised. Two
people of finance decide once for each of these groups; the payees who are left out get a message and have the money in their
balance again, and the rest are paid. Names that a bank proposes are not stored: the person corrects their own.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, fetch_scalar
from marketplace.core.errors import Conflict, existing
from marketplace.core.settings import settings
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity import vault
from marketplace.subscribers.payouts.queries import SQL, get_run

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from marketplace.money.sepa.pain002 import StatusReport
    from marketplace.people.identity.actors import Actor

MATCH, CLOSE, NONE, UNKNOWN = "match", "close", "none", "unknown"
OUTCOMES: Final = (NONE, CLOSE, UNKNOWN)
"""The outcomes that two people decide about, the worst first."""
OUTCOMES_IN_WORDS: Final = {
    MATCH: "The name matches",
    CLOSE: "The name nearly matches",
    NONE: "The account is in another name",
    UNKNOWN: "The bank cannot say",
}
IN_REPORTS: Final = {
    "RCVC": MATCH,
    "RVMC": CLOSE,
    "RVNM": NONE,
    "RVCM": NONE,
    "RVNC": UNKNOWN,
    "RVNA": UNKNOWN,
}
"""A report's status of a payment → outcome (ISO 20022's codes, and those that banks use for single payments)."""
OF_FILES: Final = frozenset({"RCVC", "RVCM", "RVNC"})
"""A report's status of a whole file that means: this is about names, and nothing was refused."""
REASONS: Final = {NONE: "RVNM", CLOSE: "RVMC", UNKNOWN: "RVNC"}
"""Outcome → the code of a payout that was left out."""
WORST_FIRST: Final = "array_position(ARRAY['none', 'close', 'unknown'], outcome), amount_minor DESC"
ASKED_AT_ONCE: Final = 500
TIMEOUT_SECONDS: Final = 60


class SealedPayee(Struct, frozen=True):
    """A payee to verify, with name and IBAN sealed."""

    id: uuid.UUID
    subscriber: int
    details: uuid.UUID
    key_id: str
    sealed: bytes | None


class Group(Struct, frozen=True):
    """Payees of a run with one outcome: how many, their sum in cents, and the decision."""

    outcome: str
    decision: str | None
    people: int
    amount_minor: int


class Differing(Struct, frozen=True):
    """A payee whose name differs: the line and the last four characters, never a name; in cents."""

    subscriber: int
    last_four: str
    country: str
    outcome: str
    amount_minor: int


class LeftOut(Struct, frozen=True):
    """A payout that is left out, its batch, and the outcome of its verification."""

    id: uuid.UUID
    batch: int
    outcome: str

    @property
    def reason(self) -> str:
        """Return the code of the outcome."""
        return REASONS[self.outcome]


async def verify(run: uuid.UUID, actor: Actor) -> int:
    """Ask our bank about every payee of a run that is not sent; return how many it was asked about.

    A second request asks about the rest.

    If a bank stops answering midway, its answers so far are stored; the next try asks about the others.
    """
    import httpx  # noqa: PLC0415 (start-up time)

    row = await get_run(run)
    if row.route != "sepa" or row.state not in ("draft", "approved"):
        raise Conflict("Names are verified before a run for the bank is sent.")
    if not settings().vop_url:
        raise Conflict("No interface of the bank’s is set up; its report on the file says which names differ.")
    asked = 0
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        if settings().vop_token:
            client.headers["authorization"] = f"Bearer {settings().vop_token}"
        while payees := await fetch_rows(SealedPayee, SQL["list_unverified"], run, ASKED_AT_ONCE):
            outcomes = await _ask(client, payees)
            await _write(outcomes, source="api")
            asked += len(outcomes)
    await note_action(actor, "verify_payees", run, after={"people": asked})
    return asked


async def _ask(client: Any, payees: list[SealedPayee]) -> dict[uuid.UUID, str]:  # noqa: ANN401 (httpx is imported late)
    """Ask the bank about some payees; only this function knows the bank's interface."""
    import httpx  # noqa: PLC0415 (start-up time)

    question = await asyncio.to_thread(_opened, payees)
    try:
        answer = (await client.post(settings().vop_url, json={"payees": question})).raise_for_status().json()
        given = {str(one["id"]): str(one["outcome"]) for one in answer["payees"]}
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise Conflict("The bank does not answer about names just now ({error}).", error=type(error).__name__) from None
    return {payee.id: _known(given.get(str(payee.id), "")) for payee in payees}


def _known(outcome: str) -> str:
    return outcome if outcome in (MATCH, *OUTCOMES) else UNKNOWN


def _opened(payees: list[SealedPayee]) -> list[dict[str, str]]:
    if any(payee.sealed is None for payee in payees):
        raise Conflict("Some names and IBANs of this run are no longer needed and were forgotten.")
    opened = [
        (payee.id, vault.unseal(payee.key_id, payee.sealed or b"", payee.details, payee.subscriber)) for payee in payees
    ]
    return [{"id": str(payout), "name": one["holder"], "iban": one["iban"]} for payout, one in opened]


async def _write(outcomes: Mapping[uuid.UUID, str], *, source: str) -> None:
    await execute(SQL["write_checks"], list(outcomes), list(outcomes.values()), source, clock.now())


def is_about_names(report: StatusReport) -> bool:
    """Return whether a report says which names match, rather than which payments were refused."""
    return report.group_status in OF_FILES or any(status in IN_REPORTS for status, _ in report.transfers.values())


async def note_report(payouts: Mapping[str, uuid.UUID], report: StatusReport) -> int:
    """Write a report's answers about the names of a file, by end-to-end id; return how many differ.

    Joins a transaction.
    """
    whole = IN_REPORTS.get(report.group_status, UNKNOWN)
    others = UNKNOWN if whole == UNKNOWN else MATCH
    outcomes = {
        payout: IN_REPORTS.get(report.transfers[reference][0], UNKNOWN) if reference in report.transfers else others
        for reference, payout in payouts.items()
    }
    await _write(outcomes, source="file")
    return sum(outcome != MATCH for outcome in outcomes.values())


async def decide_checks(
    run: uuid.UUID, outcome: str, decision: str, decided_by: uuid.UUID | None, at: dt.datetime
) -> None:
    """Write the decision about all payees of a run with one outcome: `pay` or `left_out`. Joins a transaction."""
    await fetch_scalar(int, SQL["decide_checks"], run, outcome, decision, decided_by, at)


async def find_undecided(run: uuid.UUID, outcome: str) -> Group:
    """Return the payees of a run with one outcome about whom nobody decided; refuses Conflict where there is nobody."""
    groups = [one for one in await list_groups(run) if (one.outcome, one.decision) == (outcome, None)]
    return existing(groups[0] if groups else None, Conflict("These payees are decided about already."))


async def list_left_out(run: uuid.UUID) -> list[LeftOut]:
    """Return the open payouts of a run that are left out, by id."""
    return await fetch_rows(
        LeftOut,
        """SELECT payout.id, payout.batch, payee_check.outcome
           FROM payout JOIN payee_check ON payee_check.payout = payout.id
           WHERE payout.run = $1 AND payout.state = 'open' AND payee_check.decision = 'left_out'
           ORDER BY payout.id""",
        run,
    )


async def check_decided(run: uuid.UUID) -> None:
    """Refuse to send a run with names that were not verified though the bank can be asked, or without a decision."""
    groups = await list_groups(run)
    if settings().vop_url and await fetch_rows(SealedPayee, SQL["list_unverified"], run, 1):
        raise Conflict("Have the bank verify the payees’ names first.")
    if any(group.outcome != MATCH and group.decision is None for group in groups):
        raise Conflict("Some payees’ names differ: decide about them first.")


async def list_groups(run: uuid.UUID) -> list[Group]:
    """Return the payees of a run by outcome and decision, the worst outcome first."""
    return await fetch_rows(
        Group,
        """SELECT outcome, nullif(split_part(what, '/', 2), '') AS decision, people, amount_minor
           FROM payout_sum
           CROSS JOIN LATERAL split_part(what, '/', 1) AS outcome
           WHERE run = $1 AND people > 0 AND outcome IN ('none', 'close', 'unknown', 'match')
           ORDER BY array_position(ARRAY['none', 'close', 'unknown', 'match'], outcome), decision NULLS FIRST""",
        run,
    )


async def list_differing(run: uuid.UUID, limit: int, sort: str = "") -> list[Differing]:
    """Return at most so many payees whose name does not match, the worst outcome first, then the largest amount."""
    order = {"named_line": "subscriber", "named_amount": "amount_minor DESC"}.get(sort, WORST_FIRST)
    return await fetch_rows(Differing, f"{SQL['list_differing']} ORDER BY {order}, subscriber LIMIT $2", run, limit)
