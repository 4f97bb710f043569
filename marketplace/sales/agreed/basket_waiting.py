"""Orders of a basket that wait: what costs less for dearer lines is charged once those are paid, and lapses with them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.offers.queries import is_reserved
from marketplace.core import clock
from marketplace.core.database import fetch_rows, transaction
from marketplace.core.errors import Conflict
from marketplace.core.statements import load_statements
from marketplace.datasets.releases.queries import list_revocations
from marketplace.sales.orders.actions import TIME_TO_PAY, end_wait
from marketplace.sales.orders.queries import get_email

if TYPE_CHECKING:
    import datetime as dt

SQL: Final = load_statements(__package__, "basket_queries.sql")


class WaitedOrder(Struct, frozen=True):
    """An order whose wait is over: is_next, since all that it waited for is paid."""

    id: uuid.UUID
    partner: uuid.UUID
    release: uuid.UUID
    offer: uuid.UUID
    is_next: bool


async def charge_waiting() -> int:
    """Charge the orders whose dearer ones are paid, and lapse those of which one lapsed; a job. Return how many wait no more.

    What was called back meanwhile, is another partner's alone, or is of a company that nobody is left of, lapses as well.
    """
    waited = await fetch_rows(WaitedOrder, SQL["list_ended_waits"])
    for one in waited:
        await _end(one)
    return len(waited)


async def _end(one: WaitedOrder) -> None:
    now = clock.now()
    async with transaction():
        email = await _find_email(one.partner) if one.is_next and await _is_sold(one, now) else None
        await end_wait(one.id, email=email)


async def _is_sold(one: WaitedOrder, now: dt.datetime) -> bool:
    is_back = one.release in await list_revocations([one.release])
    return not is_back and not await is_reserved(one.offer, one.partner, now, now + TIME_TO_PAY)


async def _find_email(partner: uuid.UUID) -> str | None:
    try:
        return await get_email(partner)
    except Conflict:
        return None
