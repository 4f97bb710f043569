"""What must always be true of the whole: every slice's invariants, swept by a job and at the end of every database test.

Each lives in the slice of the highest table it reads. What is merely on its way breaks none: a payment not yet settled,
a charge not yet mirrored, a refund not yet recorded are finance's to watch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace.auctions.invariants import AUCTIONS
from marketplace.audit_trail.invariants import TRAIL
from marketplace.bank.invariants import BANK
from marketplace.bookkeeping.invariants import EXPORTS
from marketplace.business.invariants import REVENUE
from marketplace.claims.invariants import CLAIMS
from marketplace.consent.invariants import CONSENT
from marketplace.contributions.invariants import INDEX
from marketplace.credit.invariants import CREDIT_SALES
from marketplace.database import fetch_rows
from marketplace.datasets.invariants import RELEASES
from marketplace.delivery.invariants import DOWNLOADS
from marketplace.duplicate_orders.invariants import DUPLICATES
from marketplace.earnings.invariants import SHARES
from marketplace.einvoicing.invariants import TRANSMISSIONS
from marketplace.finance.invariants import WRITE_OFFS
from marketplace.identity.invariants import PEOPLE
from marketplace.ledger.invariants import BOOKS
from marketplace.payments.invariants import PAYMENTS
from marketplace.payouts.invariants import PAYOUTS
from marketplace.private_offers.invariants import PRIVATE_OFFERS
from marketplace.purchases.invariants import SALES
from marketplace.reverse_auctions.invariants import CALLS
from marketplace.rewards.invariants import REWARDS
from marketplace.subscriptions.invariants import SUBSCRIPTIONS
from marketplace.transparency.invariants import LOG
from marketplace.trials.invariants import TRIALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.statements import Invariant

INVARIANTS: Final[dict[str, Invariant]] = {
    invariant.sentence: invariant
    for invariants in (
        TRAIL,
        PEOPLE,
        BOOKS,
        CONSENT,
        PAYMENTS,
        CREDIT_SALES,
        RELEASES,
        SALES,
        SUBSCRIPTIONS,
        CLAIMS,
        PRIVATE_OFFERS,
        DUPLICATES,
        TRIALS,
        AUCTIONS,
        CALLS,
        DOWNLOADS,
        INDEX,
        SHARES,
        PAYOUTS,
        REWARDS,
        BANK,
        TRANSMISSIONS,
        WRITE_OFFS,
        EXPORTS,
        REVENUE,
        LOG,
    )
    for invariant in invariants
}
"""Sentence → invariant, of every slice, in floor order."""


class Offender(Struct, frozen=True):
    """A row that breaks an invariant, as a JSON object."""

    offender: str


async def broken(among: Mapping[str, Invariant] = INVARIANTS) -> list[str]:
    """Return one line for every offender of these invariants, by their sentences; empty when all is well."""
    return [
        f"{sentence}: {msgspec.json.decode(row.offender)}"
        for sentence, invariant in among.items()
        for row in await fetch_rows(
            Offender,
            f"SELECT to_jsonb(offender)::text AS offender FROM ({invariant.sql}) AS offender",
            *invariant.values_now(),
        )
    ]
