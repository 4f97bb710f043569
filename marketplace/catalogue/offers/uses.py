"""Partners' intended uses, and whether a licence's terms allow them: checked before a price is signed or paid."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.licences.policies import RIGHTS, Policy, Use, find_refused
from marketplace.catalogue.offers.queries import SQL
from marketplace.catalogue.offers.tables import IntendedUse, LicenceTerms
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core import clock
from marketplace.core.database import fetch_row, select
from marketplace.core.errors import Invalid, NotAllowed, NotFound, existing

if TYPE_CHECKING:
    from collections.abc import Sequence

SENTENCES: Final = {
    "right": "This licence does not allow what your company means to do with the figures.",
    "purpose": "This licence is for some purposes alone: where you ask for a quote, say which of them yours is.",
    "sector": "People let this be sold to some sectors alone, and your company’s is not one of them.",
    "country": "This licence is not for companies established in your country.",
}
"""The violated clause → the refusal."""


class KeptTerms(Struct, frozen=True):
    """The fields of licence terms that limit their use."""

    usage_right: str
    months: int
    purposes: list[str]
    countries: list[str]


class ComparedUses(Struct, frozen=True):
    """What terms and a dataset allow, and the partner's country, sector and stated use; None if not stated."""

    usage_right: str
    months: int
    purposes: list[str]
    countries: list[str]
    sectors: list[str]
    country: str
    sector: str | None
    wanted_right: str | None
    purpose: str | None


async def get_policy(terms: str, sectors: Sequence[str] = ()) -> Policy:
    """Return the policy of licence terms; sectors: those to which a dataset may be sold."""
    kept = existing(
        await fetch_row(KeptTerms, select(KeptTerms, LicenceTerms).where(LicenceTerms.code == terms)),
        NotFound("There are no licence terms {terms}.", terms=terms),
    )
    return _policy(kept, sectors)


async def is_limited(terms: str) -> bool:
    """Return whether licence terms allow only some purposes or some countries."""
    policy = await get_policy(terms)
    return bool(policy.purposes or policy.countries)


async def state_use(partner: uuid.UUID, terms: str, *, purpose: str, right: str = "internal") -> None:
    """Store a partner's intended use under licence terms, in place of its earlier statement.

    Refuses unlisted values. Each purchase checks whether the terms allow it.
    """
    if purpose not in PURPOSES or right not in RIGHTS:
        raise Invalid("Choose what you will use it for from the list.", field="purpose")
    stated = IntendedUse(
        id=uuid.uuid4(),
        partner=partner,
        terms=terms,
        usage_right=right,
        purpose=purpose,
        stated_at=clock.now(),
    )
    changed = [IntendedUse.usage_right, IntendedUse.purpose, IntendedUse.stated_at]
    key = (IntendedUse.partner, IntendedUse.terms)
    await IntendedUse.insert(stated).on_conflict(action="DO UPDATE", target=key, values=changed)


async def check_use(partner: uuid.UUID, terms: str, dataset: str) -> None:
    """Refuse to sell a dataset to a partner that these terms exclude, and name the clause.

    A partner without a statement means to use it inside the company.
    """
    _refuse(await fetch_row(ComparedUses, SQL["find_use"], partner, terms, dataset))


async def check_quote(quote: uuid.UUID) -> None:
    """Refuse to sell a quote's subject, as `check_use` does; the state at the order counts."""
    _refuse(await fetch_row(ComparedUses, SQL["find_use_of_quote"], quote))


def _refuse(row: ComparedUses | None) -> None:
    assert row, "offers and quotes name terms that are stated"
    use = Use(row.wanted_right or "internal", row.purpose or "", row.sector, row.country)
    clause = find_refused(_policy(row, row.sectors), use)
    if clause is not None:
        raise NotAllowed(SENTENCES[clause], clause=clause)


def _policy(row: KeptTerms | ComparedUses, sectors: Sequence[str]) -> Policy:
    return Policy(row.usage_right, row.months, tuple(row.purposes), tuple(sectors), tuple(row.countries))
