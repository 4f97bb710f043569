"""Auditing the menu as one partner has it: with what it ordered lately at agreed prices, and what it is to have at one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from marketplace.catalogue import menu
from marketplace.catalogue.menu import HeldQuote
from marketplace.database import fetch_rows
from marketplace.statements import load_statements

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.catalogue.rules import PricedOffer

SQL: Final = load_statements(__package__)
REMEMBERED: Final = dt.timedelta(days=30)
"""As long as a price may be held, what was ordered for less counts with what is ordered after it."""


async def audit_agreed(
    partner: uuid.UUID,
    dataset: str,
    now: dt.datetime,
    also: Sequence[HeldQuote] = (),
    *,
    orders: Sequence[uuid.UUID] = (),
    promised: Sequence[PricedOffer] = (),
) -> None:
    """Refuse a price that a partner is to have, signed in this transaction, where it could have something for less with it.

    What it ordered for less since 30 days is on the audited menu. also: other prices that it may have. orders: those of its
    own that count however long ago they were. promised: as of `menu.audit`.
    """
    agreed = await fetch_rows(HeldQuote, SQL["list_agreed"], partner, now - REMEMBERED, list(orders))
    await menu.audit(dataset, now, [*agreed, *also], partner=partner, promised=promised)
