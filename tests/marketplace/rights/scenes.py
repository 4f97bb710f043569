"""A scene for `tests.support.dying`: a line's holder who is paid at Stripe erases themselves, and is killed on the way."""

from __future__ import annotations

import asyncio
import zlib

from marketplace.identity import actions as identity
from marketplace.payments.stripe_calls import run_commands
from marketplace.rights.erasing import erase
from marketplace.stripe_accounts.transfers import connected_account
from tests.marketplace.identity.site import PASSWORD
from tests.marketplace.payments.scenes import at_stripe
from tests.support.dying import Scene
from tests.support.reads import fetch, fetch_value

COUNTED = (
    "marketplace/rights/erasing.py",
    "marketplace/payouts/leaving.py",
    "marketplace/stripe_accounts/transfers.py",
    "marketplace/payments/stripe_calls.py",
    "marketplace/payments/stripe_port.py",
    "marketplace/payments/outbox.py",
)


def line_of(name: str) -> int:
    return zlib.crc32(name.encode())


async def paid_at_stripe(name: str) -> None:
    line = line_of(name)
    await identity.add_subscribers([line])
    [(_, code)] = await identity.issue_activation_codes([line])
    await identity.claim_line(line, code, email=f"{line}@nulle-part.example", name="Zoé", password=PASSWORD)
    await connected_account(line)


async def leave(name: str) -> None:
    for person in await fetch("SELECT id FROM person WHERE subscriber = $1", line_of(name)):
        await erase(person["id"])
    await run_commands()


async def gone(name: str) -> None:
    await leave(name)
    assert await fetch_value("SELECT count(*) FROM person WHERE subscriber = $1", line_of(name)) == 0
    there = await asyncio.to_thread(at_stripe, "get", "v1/accounts", limit=100)
    assert there["data"] == []
    verbs = await fetch("SELECT verb, count(*) AS times FROM stripe_command WHERE state = 'done' GROUP BY verb")
    assert len({row["times"] for row in verbs}) == 1, "each account is made once, and closed once"


SCENES = {"leave": Scene(paid_at_stripe, leave, gone, COUNTED)}
