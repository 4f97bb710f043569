"""Paying people through Stripe Connect: their connected accounts, and transfers written with whatever wants them.

A transfer's command has the id of what it pays, so that it is asked once whatever happens; only Stripe's answer ends it.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from marketplace import clock
from marketplace.database import DB, execute, fetch_value, transaction
from marketplace.errors import Conflict
from marketplace.payments.commands import run_command
from marketplace.payments.intents import intend
from marketplace.payments.stripe_port import SilentError, StripePort

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

NAMESPACE: Final = uuid.UUID("c2f0a9a4-6a5e-4e0e-9a55-0a8d3c1f5e21")
SILENT: Final = "Stripe does not answer just now; try again in a minute."


def _first_account_of(line: int) -> uuid.UUID:
    """Return the id of the command that makes the connected account of a line's first holder."""
    return uuid.uuid5(NAMESPACE, str(line))


async def _account_of(line: int) -> uuid.UUID:
    """Return the id of the command that makes the connected account of a line's holder: whoever claims it anew has another."""
    claimed_at: dt.datetime | None = await fetch_value(
        """SELECT claimed_at FROM subscriber JOIN stripe_command ON stripe_command.id = $2 AND created_at < claimed_at
           WHERE reference = $1""",
        line, _first_account_of(line),
    )  # fmt: skip
    return uuid.uuid5(NAMESPACE, f"{line} {claimed_at.isoformat()}") if claimed_at else _first_account_of(line)


async def has_connected_account(line: int) -> bool:
    """Tell whether a holder of a line ever began to be paid through Stripe."""
    return bool(await fetch_value("SELECT true FROM stripe_command WHERE id = $1", _first_account_of(line)))


async def connected_account(line: int) -> str:
    """Return the connected account of a line's holder, made at Stripe the first time."""
    command = await _account_of(line)
    async with transaction():
        parameters = {
            "type": "express", "country": "FR", "capabilities": {"transfers": {"requested": True}},
            "business_type": "individual", "metadata": {"command": str(command)},
        }  # fmt: skip
        await intend(command, "account", command, parameters, clock.now())
    await run_command(command)
    made: str | None = await fetch_value("SELECT object_id FROM stripe_command WHERE id = $1", command)
    if made is None:
        raise Conflict(SILENT)
    return made


async def onboarding_page(account_id: str, *, return_url: str) -> str:
    """Return the page where Stripe asks a connected account's owner who they are."""
    try:
        async with StripePort() as port:
            return await port.open_onboarding(account_id, return_url=return_url)
    except SilentError:
        raise Conflict(SILENT) from None


async def can_be_paid(account_id: str) -> bool:
    """Tell whether Stripe lets a connected account be paid."""
    try:
        async with StripePort() as port:
            return await port.takes_transfers(account_id)
    except SilentError:
        raise Conflict(SILENT) from None


async def request_transfers(transfers: Sequence[tuple[uuid.UUID, str, int]], *, group: str) -> None:
    """Ask for transfers inside the caller's transaction: what each pays, its account and its cents; asked again, once."""
    assert DB.current_transaction.get() is not None, "an intent is committed with what wants it"
    parameters = [_parameters(subject, account, amount, group) for subject, account, amount in transfers]
    await execute(
        """INSERT INTO stripe_command (id, verb, subject, parameters, state, attempts, generation, next_at, created_at)
           SELECT id, 'transfer', id, parameters::jsonb, 'pending', 0, 0, $3, $3
           FROM unnest($1::uuid[], $2::text[]) AS given (id, parameters) ON CONFLICT (id) DO NOTHING""",
        [subject for subject, _, _ in transfers], [json.dumps(each) for each in parameters], clock.now(),
    )  # fmt: skip


def _parameters(subject: uuid.UUID, account: str, amount_minor: int, group: str) -> dict[str, Any]:
    return {
        "amount": amount_minor, "currency": "eur", "destination": account, "transfer_group": group,
        "metadata": {"command": str(subject)},
    }  # fmt: skip
