"""Auditing the menu as one partner has it: with what it ordered lately at agreed prices, and what it is to have at one."""

from __future__ import annotations

import datetime as dt
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from marketplace.catalogue.offers import menu
from marketplace.catalogue.offers.menu import Buyer, HeldQuote
from marketplace.core.database import fetch_rows
from marketplace.core.statements import load_statements
from marketplace.people.identity.companies import list_accounts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from marketplace.catalogue.offers.rules import PricedOffer

SQL: Final = load_statements(__package__, "audit_queries.sql")
REMEMBERED: Final = dt.timedelta(days=30)
"""As long as a price may be held, what was ordered for less counts with what is ordered after it."""


Licence: TypeAlias = tuple[uuid.UUID, int, int]
"""A release, its accuracy level and for how many months."""


class SignedAmount(Struct, frozen=True):
    """What is signed of a release at an accuracy level, for so many months, in cents before VAT."""

    release: uuid.UUID
    level: int
    months: int
    amount_minor: int


def least_of(prices: Iterable[SignedAmount | HeldQuote]) -> dict[Licence, int]:
    """Return the least of some prices of each licence, in cents."""
    found: dict[Licence, int] = {}
    for one in prices:
        licence = one.release, one.level, one.months
        found[licence] = min(one.amount_minor, found.get(licence, one.amount_minor))
    return found


async def audit_agreed(
    partner: uuid.UUID,
    dataset: str,
    now: dt.datetime,
    also: Sequence[HeldQuote] = (),
    *,
    quotes: Collection[uuid.UUID],
    instead: Mapping[Licence, int] = MappingProxyType({}),
    orders: Sequence[uuid.UUID] = (),
    promised: Sequence[PricedOffer] = (),
) -> None:
    """Refuse prices that a partner is to have, signed in this transaction, where it could have something for less with them.

    quotes: those that are signed. What its company ordered for less since 30 days is on the audited menu. also: other prices
    that it may have. instead: as of `menu.Buyer`. orders: those of its own that count however long ago they were. promised: as of `menu.audit`.
    """
    accounts = await list_accounts(partner)
    agreed = await fetch_rows(HeldQuote, SQL["list_agreed"], accounts, now - REMEMBERED, list(orders))
    signed = await fetch_rows(SignedAmount, SQL["list_signed"], list(quotes))
    buyer = Buyer(accounts, least_of([*signed, *also]), instead)
    await menu.audit(dataset, now, [*agreed, *also], buyer=buyer, promised=promised)
