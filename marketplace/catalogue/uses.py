"""What partners mean to do with figures, and whether a licence's terms allow it: checked before a price is signed or paid."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.catalogue.queries import SQL
from marketplace.catalogue.tables import IntendedUse, LicenceTerms
from marketplace.database import fetch_row, select
from marketplace.errors import Invalid, NotAllowed, NotFound
from marketplace.licensing.dpv import PURPOSES
from marketplace.licensing.policies import RIGHTS, Policy, Use, find_refused

if TYPE_CHECKING:
    from collections.abc import Sequence

SENTENCES: Final = {
    "right": "This licence does not allow what your company means to do with the figures.",
    "purpose": "This licence is for some purposes alone: where you ask for a quote, say which of them yours is.",
    "sector": "People let this be sold to some sectors alone, and your company’s is not one of them.",
    "country": "This licence is not for companies established in your country.",
    "period": "This licence ends before your company needs it to.",
}
"""The clause that a use is outside of → what is said."""


class KeptTerms(Struct, frozen=True):
    """What decides what licence terms allow."""

    usage_right: str
    months: int
    purposes: list[str]
    countries: list[str]


class Compared(Struct, frozen=True):
    """What terms and a dataset allow, the partner they are held against, and what it said; None where it said nothing."""

    usage_right: str
    months: int
    purposes: list[str]
    countries: list[str]
    sectors: list[str]
    country: str
    sector: str | None
    wanted_right: str | None
    purpose: str | None
    wanted_months: int | None


async def get_policy(terms: str, sectors: Sequence[str] = ()) -> Policy:
    """Return what licence terms allow; sectors: those that a dataset may be sold to."""
    kept = await fetch_row(KeptTerms, select(KeptTerms, LicenceTerms).where(LicenceTerms.code == terms))
    if kept is None:
        raise NotFound("There are no licence terms {terms}.", terms=terms)
    return _policy(kept, sectors)


async def is_limited(terms: str) -> bool:
    """Return whether licence terms are for some purposes or some countries alone."""
    policy = await get_policy(terms)
    return bool(policy.purposes or policy.countries)


async def state_use(partner: uuid.UUID, terms: str, *, purpose: str, right: str = "internal", months: int = 0) -> None:
    """Write down what a partner means to do under licence terms; what it said before counts no more.

    Refuses what is not listed. Whether the terms allow it is checked where something is bought.
    """
    if purpose not in PURPOSES or right not in RIGHTS or not 0 <= months <= 120:  # noqa: PLR2004 (the table's own)
        raise Invalid("Choose what you will use it for from the list.", field="purpose")
    stated = IntendedUse(
        id=uuid.uuid4(),
        partner=partner,
        terms=terms,
        usage_right=right,
        purpose=purpose,
        months=months,
        stated_at=clock.now(),
    )
    changed = [IntendedUse.usage_right, IntendedUse.purpose, IntendedUse.months, IntendedUse.stated_at]
    key = (IntendedUse.partner, IntendedUse.terms)
    await IntendedUse.insert(stated).on_conflict(action="DO UPDATE", target=key, values=changed)


async def check_use(partner: uuid.UUID, terms: str, dataset: str) -> None:
    """Refuse to sell a dataset to a partner that may not have it under these terms, and name the clause.

    Who said nothing means to use it inside the company.
    """
    _refuse(await fetch_row(Compared, SQL["find_use"], partner, terms, dataset))


async def check_quote(quote: uuid.UUID) -> None:
    """Refuse to sell what a quote is for, as `check_use` does: what holds when it is ordered counts."""
    _refuse(await fetch_row(Compared, SQL["find_use_of_quote"], quote))


def _refuse(row: Compared | None) -> None:
    assert row, "offers and quotes name terms that are stated"
    use = Use(row.wanted_right or "internal", row.purpose or "", row.sector, row.country, row.wanted_months or 0)
    clause = find_refused(_policy(row, row.sectors), use)
    if clause is not None:
        raise NotAllowed(SENTENCES[clause], clause=clause)


def _policy(row: KeptTerms | Compared, sectors: Sequence[str]) -> Policy:
    return Policy(row.usage_right, row.months, tuple(row.purposes), tuple(sectors), tuple(row.countries))
