"""The outbox: commands for Stripe, written with the change that requires them, claimed by workers until decided.

`stripe_calls` sends them. A claim lasts as long as a lease, so that the command of a worker that dies is claimed again;
a command is called with its id as the key, then done, failed, or tried again later.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec import Struct

from marketplace.core import clock, tracing
from marketplace.core.database import (
    execute,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    is_in_transaction,
    select,
    transaction,
)
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.money.payments.queries import SQL
from marketplace.money.payments.tables import Payment, SavedMethod, StripeCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.database import Values

log = structlog.get_logger(__name__)
LEASE: Final = dt.timedelta(minutes=2)
"""How long other workers leave a claimed command alone: longer than its calls may last."""


class Command(Struct, frozen=True):
    """A command as its worker sees it; `parameters` is JSON, `amount_minor` in cents."""

    id: uuid.UUID
    verb: str
    subject: uuid.UUID
    parameters: str
    amount_minor: int | None
    state: str
    attempts: int
    generation: int
    created_at: dt.datetime
    first_tried_at: dt.datetime | None
    error: str | None

    def call(self) -> dict[str, Any]:
        """Return the call's parameters."""
        return dict(json.loads(self.parameters))


class CarriedCall(Struct, frozen=True):
    """A command's parameters, as JSON, and its subject."""

    subject: uuid.UUID
    parameters: str


class CommandFacts(Struct, frozen=True):
    """The request of a command, and its subject; `amount_minor` in cents."""

    verb: str
    subject: uuid.UUID
    amount_minor: int | None


# ------------------------------------------------------------------ written with what wants it
async def write_command(
    command: uuid.UUID,
    verb: str,
    subject: uuid.UUID,
    parameters: dict[str, Any],
    now: dt.datetime,
    *,
    amount_minor: int | None = None,
) -> None:
    """Write a command for a worker inside the caller's transaction; a known id changes nothing.

    parameters: those of the call. amount_minor: the moved amount, in cents, if it differs from the payment's.
    """
    assert is_in_transaction(), "a command is committed with what wants it"
    new = StripeCommand(
        id=command,
        verb=verb,
        subject=subject,
        parameters=json.dumps(tracing.carry(parameters)),
        amount_minor=amount_minor,
        next_at=now,
        created_at=now,
    )
    await StripeCommand.insert(new).on_conflict(action="DO NOTHING", target=StripeCommand.id)


async def write_transfers(transfers: Sequence[tuple[uuid.UUID, int, dict[str, Any]]], now: dt.datetime) -> None:
    """Write a command for each transfer inside the caller's transaction: its subject, its cents, its parameters."""
    assert is_in_transaction(), "a command is committed with what wants it"
    ids, amounts = [one for one, _, _ in transfers], [amount for _, amount, _ in transfers]
    parameters = [json.dumps(parameters) for _, _, parameters in transfers]
    await execute(SQL["write_transfers"], ids, amounts, parameters, now)


async def find_command(subject: uuid.UUID, *verbs: str) -> uuid.UUID | None:
    """Return the latest command of one of these verbs for a subject."""
    latest = (
        StripeCommand.select(StripeCommand.id)
        .where(StripeCommand.subject == subject, StripeCommand.verb.is_in(list(verbs)))
        .order_by(StripeCommand.created_at, ascending=False)
        .order_by(StripeCommand.id)
        .limit(1)
    )
    return await fetch_scalar(uuid.UUID, latest)


async def trace_payments(name: str, subjects: Sequence[uuid.UUID], began_ns: int) -> None:
    """Write what one block did for all of these payments into their requests' traces; see `core.tracing.record`."""
    if tracing.is_on():
        first = StripeCommand.subject.is_in(list(subjects)) & StripeCommand.verb.is_in(["checkout", "charge"])
        rows = await fetch_rows(
            CarriedCall, select(CarriedCall, StripeCommand).where(first).order_by(StripeCommand.created_at)
        )
        carried = [(row.subject, tracing.carried_by(json.loads(row.parameters))) for row in reversed(rows)]
        tracing.record(name, list({subject: trace for subject, trace in carried if trace}.values()), began_ns)


# ------------------------------------------------------------------ claimed and ended by a worker
async def claim(limit: int, command_id: uuid.UUID | None = None) -> list[Command]:
    """Claim due commands until a lease ends: no other worker claims them until then."""
    assert not is_in_transaction(), "Stripe is never called inside a transaction"
    now = clock.now()
    return await fetch_rows(Command, SQL["claim_commands"], now, now + LEASE, command_id, limit)


async def look_before_calling() -> int:
    """Mark every pending command to be looked for at Stripe before it is sent, since the backup may be older.

    Return how many.
    """
    look: Values = {StripeCommand.generation: StripeCommand.generation + 1}
    looked = StripeCommand.update(look).where(StripeCommand.state == "pending")
    return len(await looked.returning(StripeCommand.id))


async def state_of(command_id: uuid.UUID) -> str:
    """Return the state of a command: pending, done or failed."""
    return str(await fetch_scalar(str, StripeCommand.select(StripeCommand.state).where(StripeCommand.id == command_id)))


async def mark_done(command: Command, object_id: str | None) -> None:
    """Write that Stripe has done a command, and to which object, inside the caller's transaction."""
    await StripeCommand.update(
        {
            StripeCommand.state: "done",
            StripeCommand.object_id: object_id,
            StripeCommand.error: None,
            StripeCommand.settled_by: None,
            StripeCommand.settled_reason: None,
            StripeCommand.settled_at: None,
        }
    ).where(StripeCommand.id == command.id)


async def mark_failed(command: Command, why: str) -> None:
    """Write that a command failed permanently, with its parameters, inside the caller's transaction."""
    log.error("stripe command failed", command=str(command.id), verb=command.verb, why=why)
    failed: Values = {StripeCommand.state: "failed", StripeCommand.error: why}
    await StripeCommand.update(failed).where(StripeCommand.id == command.id)
    if command.verb in ("checkout", "charge"):
        requested = (Payment.subject == command.subject, Payment.state == "requested")
        await Payment.update({Payment.state: "failed"}).where(*requested)
    if command.verb == "setup":
        asked = (SavedMethod.id == command.subject, SavedMethod.state == "requested")
        await SavedMethod.update({SavedMethod.state: "failed"}).where(*asked)


async def try_again(
    command: Command, why: str, wait: dt.timedelta, *, fresh_key: bool, parameters: dict[str, Any] | None = None
) -> None:
    """Leave a command pending until it has waited, unless another worker changed it; with other parameters if given."""
    log.warning("stripe command waits", command=str(command.id), verb=command.verb, why=why)
    changed: Values = {
        StripeCommand.next_at: clock.now() + wait,
        StripeCommand.error: why,
        StripeCommand.generation: command.generation + int(fresh_key),
    }
    if parameters:
        changed[StripeCommand.parameters] = json.dumps(parameters)
    await StripeCommand.update(changed).where(
        StripeCommand.id == command.id,
        StripeCommand.state == "pending",
        StripeCommand.generation == command.generation,
    )


# ------------------------------------------------------------------ what finance staff decide about stuck ones
async def retry_command(command_id: uuid.UUID) -> None:
    """Try a command again at once; a failed one gets a fresh key, after a check that the last attempt had no effect."""
    async with transaction():
        command = await _lock_command(command_id)
        if command.state == "done":
            raise Conflict("That command is done already.")
        if command.verb == "transfer" and command.state == "failed":
            raise Conflict("A transfer that failed is not tried again: its money went back and waits for the next run.")
        has_failed = command.state == "failed"
        await StripeCommand.update(
            {
                StripeCommand.state: "pending",
                StripeCommand.next_at: clock.now(),
                StripeCommand.generation: command.generation + int(has_failed),
                StripeCommand.settled_by: None,
                StripeCommand.settled_reason: None,
                StripeCommand.settled_at: None,
            }
        ).where(StripeCommand.id == command_id)
        if has_failed and command.verb in ("checkout", "charge"):
            without_page = (Payment.subject == command.subject, Payment.state == "failed", Payment.session_id.is_null())
            await Payment.update({Payment.state: "requested"}).where(*without_page)


async def give_up_command(command_id: uuid.UUID, by: str, reason: str) -> None:
    """Remove a command from the list of stuck ones, with the person who decided and why.

    An effect that Stripe still had counts.
    """
    async with transaction():
        command = await _lock_command(command_id)
        if command.state == "done":
            raise Conflict("That command is done already.")
        if command.verb == "transfer" and command.state == "pending":
            raise Conflict("Stripe may have made this transfer: only Stripe's answer ends it.")
        if command.state == "pending":
            await mark_failed(command, command.error or "Given up before Stripe answered.")
        settled: Values = {
            StripeCommand.settled_by: by,
            StripeCommand.settled_reason: reason,
            StripeCommand.settled_at: clock.now(),
        }
        await StripeCommand.update(settled).where(StripeCommand.id == command_id)


async def _lock_command(command_id: uuid.UUID) -> Command:
    by_id = select(Command, StripeCommand).where(StripeCommand.id == command_id)
    return existing(await fetch_row(Command, by_id.lock_rows("UPDATE")), NotFound("There is no such command."))
