"""Commands: carried out by workers, outside any transaction, until Stripe has decided.

Claimed for as long as a lease; called with its id as the key; done, failed, or tried again later. A worker may die
between any two lines: whoever takes the command over asks the same under the same key.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
from typing import TYPE_CHECKING, Any

import structlog

from marketplace import clock
from marketplace.database import DB, execute, fetch, fetch_one, fetch_value, transaction
from marketplace.errors import Conflict, NotFound
from marketplace.payments import rules
from marketplace.payments.calls import CALLS, FirstError, Outcome, parameters_of
from marketplace.payments.stripe_port import DecidedError, SilentError, StripePort

if TYPE_CHECKING:
    import uuid

    import asyncpg

log = structlog.get_logger(__name__)
LEASE = dt.timedelta(minutes=2)
"""How long a claimed command is left alone: longer than its calls may take."""
AT_ONCE = 5


async def run_commands() -> int:
    """Carry out every command that is due, and return how many were tried; any number of workers may."""
    tried = 0
    while claimed := await _claim(AT_ONCE):
        async with StripePort() as port:
            await asyncio.gather(*(_carry_out(port, command) for command in claimed))
        tried += len(claimed)
    return tried


async def run_command(command_id: uuid.UUID) -> str:
    """Carry out one command now, unless a worker has it, and return its state."""
    for command in await _claim(1, command_id):
        async with StripePort() as port:
            await _carry_out(port, command)
    return str(await fetch_value("SELECT state FROM stripe_command WHERE id = $1", command_id))


async def _claim(limit: int, command_id: uuid.UUID | None = None) -> list[asyncpg.Record]:
    """Take due commands until a lease ends: nobody else takes them meanwhile, and a dead worker's are taken over."""
    assert DB.current_transaction.get() is None, "Stripe is never called inside a transaction"
    now = clock.now()
    return await fetch(
        """
        UPDATE stripe_command SET attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, $1), next_at = $2
        WHERE id IN (
            SELECT id FROM stripe_command
            WHERE state = 'pending' AND next_at <= $1 AND ($3::uuid IS NULL OR id = $3)
            ORDER BY next_at LIMIT $4 FOR UPDATE SKIP LOCKED
        ) RETURNING *
        """,
        now, now + LEASE, command_id, limit,
    )  # fmt: skip


async def _carry_out(port: StripePort, command: asyncpg.Record) -> None:
    """Call Stripe for one claimed command and record what came of it."""
    try:
        outcome = await _call(port, command)
    except SilentError as silence:
        wait = rules.wait(command["attempts"], random.random())  # noqa: S311 (spreads retries; keeps no secret)
        await _try_again(command, str(silence), wait, fresh_key=silence.is_replayed)
        return
    except DecidedError as refusal:
        if command["verb"] == "checkout" and refusal.param == "expires_at":
            # Too late for the hour first wished for: Stripe's own day counts, and whoever lapses the order expires it.
            parameters = {name: value for name, value in parameters_of(command).items() if name != "expires_at"}
            await _try_again(command, str(refusal), dt.timedelta(0), fresh_key=True, parameters=parameters)
            return
        outcome = Outcome(None, error=str(refusal))
    async with transaction():
        if outcome.write is not None:
            await outcome.write()
        if outcome.error is not None:
            await _fail(command, outcome.error)
            return
        await execute(
            """UPDATE stripe_command SET state = 'done', object_id = $2, error = NULL, settled_by = NULL,
                      settled_reason = NULL, settled_at = NULL WHERE id = $1""",
            command["id"], outcome.object_id,
        )  # fmt: skip


async def _call(port: StripePort, command: asyncpg.Record) -> Outcome:
    try:
        return await CALLS[command["verb"]](port, command)
    except FirstError as first:
        await run_command(first.command)
        return await CALLS[command["verb"]](port, command)


async def _try_again(
    command: asyncpg.Record, why: str, wait: dt.timedelta, *, fresh_key: bool, parameters: dict[str, Any] | None = None
) -> None:
    log.warning("stripe command waits", command=str(command["id"]), verb=command["verb"], why=why)
    await execute(
        """UPDATE stripe_command SET next_at = $2, error = $3, generation = generation + $4,
                  parameters = coalesce($5::jsonb, parameters)
           WHERE id = $1 AND state = 'pending' AND generation = $6""",
        command["id"], clock.now() + wait, why, int(fresh_key), json.dumps(parameters) if parameters else None,
        command["generation"],
    )  # fmt: skip


async def _fail(command: asyncpg.Record, why: str) -> None:
    """Write that a command failed for good, with what it was for, inside the caller's transaction."""
    log.error("stripe command failed", command=str(command["id"]), verb=command["verb"], why=why)
    await execute("UPDATE stripe_command SET state = 'failed', error = $2 WHERE id = $1", command["id"], why)
    if command["verb"] in ("checkout", "charge"):
        await execute(
            "UPDATE payment SET state = 'failed' WHERE subject = $1 AND state = 'requested'", command["subject"]
        )
    if command["verb"] == "setup":
        await execute(
            "UPDATE saved_method SET state = 'failed' WHERE id = $1 AND state = 'requested'", command["subject"]
        )


# ------------------------------------------------------------------ what finance staff decide about stuck ones
async def retry_command(command_id: uuid.UUID) -> None:
    """Try a command again at once; one that had failed gets a fresh key, after looking that the last did nothing."""
    async with transaction():
        command = await _held(command_id)
        if command["state"] == "done":
            raise Conflict("That command is done already.")
        if command["verb"] == "transfer" and command["state"] == "failed":
            raise Conflict("A transfer that failed is not tried again: its money went back and waits for the next run.")
        has_failed = command["state"] == "failed"
        await execute(
            """UPDATE stripe_command SET state = 'pending', next_at = $2, generation = generation + $3, settled_by = NULL,
                      settled_reason = NULL, settled_at = NULL WHERE id = $1""",
            command_id, clock.now(), int(has_failed),
        )  # fmt: skip
        if has_failed and command["verb"] in ("checkout", "charge"):
            await execute(
                "UPDATE payment SET state = 'requested' WHERE subject = $1 AND state = 'failed' AND session_id IS NULL",
                command["subject"],
            )


async def give_up_command(command_id: uuid.UUID, by: str, reason: str) -> None:
    """Take a command off the list of what is stuck, with who decided and why. What Stripe did all the same still counts."""
    async with transaction():
        command = await _held(command_id)
        if command["state"] == "done":
            raise Conflict("That command is done already.")
        if command["verb"] == "transfer" and command["state"] == "pending":
            raise Conflict("Stripe may have made this transfer: only Stripe's answer ends it.")
        if command["state"] == "pending":
            await _fail(command, command["error"] or "Given up before Stripe answered.")
        await execute(
            "UPDATE stripe_command SET settled_by = $2, settled_reason = $3, settled_at = $4 WHERE id = $1",
            command_id, by, reason, clock.now(),
        )  # fmt: skip


async def _held(command_id: uuid.UUID) -> asyncpg.Record:
    command = await fetch_one("SELECT * FROM stripe_command WHERE id = $1 FOR UPDATE", command_id)
    if command is None:
        raise NotFound("There is no such command.")
    return command
