"""Paying people through Stripe Connect: their connected accounts, and transfers written with the cause of each.

A transfer's command has the id of what it pays, so that it is requested once in every case; only Stripe's answer ends
it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Final

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_scalar, transaction
from marketplace.core.errors import Conflict, existing
from marketplace.core.statements import load_statements
from marketplace.money.payments.account_port import ConnectPort
from marketplace.money.payments.outbox import write_command, write_transfers
from marketplace.money.payments.stripe_calls import run_command
from marketplace.money.payments.stripe_port import SilentError
from marketplace.money.payments.tables import StripeCommand
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__, "account_queries.sql")
NAMESPACE: Final = uuid.UUID("c2f0a9a4-6a5e-4e0e-9a55-0a8d3c1f5e21")
SILENT: Final = "Stripe does not answer just now; try again in a minute."


def _first_account_of(line: int) -> uuid.UUID:
    """Return the id of the command that makes the connected account of a line's first holder."""
    return uuid.uuid5(NAMESPACE, str(line))


async def _account_of(line: int) -> uuid.UUID:
    """Return the id of the command that makes the account of a line's holder; a later holder has another."""
    claimed_at = await fetch_scalar(dt.datetime, SQL["find_claim_since"], line, _first_account_of(line))
    return uuid.uuid5(NAMESPACE, f"{line} {claimed_at.isoformat()}") if claimed_at else _first_account_of(line)


async def has_connected_account(line: int) -> bool:
    """Return whether a holder of a line ever began to be paid through Stripe."""
    return await StripeCommand.exists().where(StripeCommand.id == _first_account_of(line))


async def connected_account(line: int) -> str:
    """Return the connected account of a line's holder, requested from Stripe the first time."""
    command = await _account_of(line)
    async with transaction():
        parameters = {
            "type": "express",
            "country": "FR",
            "capabilities": {"transfers": {"requested": True}},
            "business_type": "individual",
            "metadata": {"command": str(command)},
        }
        await write_command(command, "account", command, parameters, clock.now())
    await run_command(command)
    return existing(
        await fetch_scalar(str, StripeCommand.select(StripeCommand.object_id).where(StripeCommand.id == command)),
        Conflict(SILENT),
    )


async def close_account_of(line: int) -> None:
    """Delete the connected account of a line's holder at Stripe, if one was ever begun, in the caller's transaction."""
    made = await _account_of(line)
    if await StripeCommand.exists().where(StripeCommand.id == made, StripeCommand.state != "failed"):
        await _close(made)


async def close_accounts(accounts: Sequence[str]) -> None:
    """Delete these connected accounts at Stripe, once nothing more is paid there, in the caller's transaction."""
    for made in await fetch_column(uuid.UUID, SQL["find_makings"], accounts):
        await _close(made)


async def _close(made: uuid.UUID) -> None:
    """Write the command that closes the account made by another one; a second call changes nothing."""
    await write_command(uuid.uuid5(NAMESPACE, f"close {made}"), "close_account", made, {}, clock.now())


async def onboarding_page(account_id: str, *, return_url: str) -> str:
    """Return the address of Stripe's page that identifies a connected account's owner."""
    try:
        async with ConnectPort() as port:
            return await port.open_onboarding(account_id, return_url=return_url)
    except SilentError:
        raise Conflict(SILENT) from None


async def can_be_paid(account_id: str) -> bool:
    """Return whether Stripe lets a connected account be paid."""
    try:
        async with ConnectPort() as port:
            return await port.can_receive_transfers(account_id)
    except SilentError:
        raise Conflict(SILENT) from None


async def request_transfers(transfers: Sequence[tuple[uuid.UUID, str, int]], *, group: str) -> None:
    """Request transfers inside the caller's transaction: what each pays, its account and its cents; only once."""
    asked = [(subject, amount, _parameters(subject, account, amount, group)) for subject, account, amount in transfers]
    await write_transfers(asked, clock.now())


def _parameters(subject: uuid.UUID, account: str, amount_minor: int, group: str) -> dict[str, Any]:
    return {
        "amount": amount_minor,
        "currency": EUR.lower(),
        "destination": account,
        "transfer_group": group,
        "metadata": {"command": str(subject)},
    }
