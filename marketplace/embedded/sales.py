"""The demo's first sales, paid on the local counterpart's page as anyone would pay, then settled and shared by the jobs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import httpx

from marketplace.catalogue import actions as catalogue
from marketplace.database import fetch_one, fetch_value
from marketplace.earnings import actions as earnings
from marketplace.finance import actions as finance
from marketplace.payments.balance import mirror_balance
from marketplace.payments.events import handle_events, sweep_events
from marketplace.purchases import actions as purchases

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE = uuid.UUID("0d1b6a0e-5df4-4a53-8a55-7f6b2f6a3c55")


async def sell(sales: Sequence[tuple[uuid.UUID, str, str]]) -> None:
    """Sell the latest release to each (partner, email, dataset), once whatever number of times it is called."""
    for partner, email, dataset in sales:
        await _buy(partner, email, dataset)
    await sweep_events()
    await handle_events()
    await purchases.settle_paid()
    await mirror_balance()
    await earnings.hold_shares()
    await finance.reconcile()


async def _buy(partner: uuid.UUID, email: str, dataset: str) -> None:
    quote, order = uuid.uuid5(NAMESPACE, f"quote {email} {dataset}"), uuid.uuid5(NAMESPACE, f"order {email} {dataset}")
    if await fetch_value("SELECT state FROM payment WHERE subject = $1", order) == "paid":
        return
    if not await fetch_value("SELECT count(*) FROM purchase_order WHERE id = $1", order):
        release = await fetch_one(
            "SELECT id FROM release WHERE dataset = $1 AND state = 'sealed' ORDER BY period_to DESC LIMIT 1", dataset
        )
        assert release, "the world's releases are sealed before anything is sold"
        await catalogue.quote(partner, release["id"], quote_id=quote)
        await purchases.order(partner, quote, order_id=order, email=email)
    if address := await purchases.payment_page(partner, order):
        await pay(address)


async def pay(address: str, method: str = "visa") -> str:
    """Pay on the counterpart's hosted page and return where it sends the browser next."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.post(address, data={"method": method})
    return str(answer.headers.get("location", ""))
