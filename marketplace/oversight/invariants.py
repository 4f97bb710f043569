"""What must always be true: every package's invariants, swept by a job and at the end of every database test.

Each invariant is in the package of the highest table that it reads. Unfinished work breaks no invariant: finance
watches a payment that is not settled, a charge that is not mirrored, and a refund that is not recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from marketplace.consent import invariants as consent
from marketplace.core.database import fetch_column
from marketplace.datasets import invariants as datasets
from marketplace.delivery import invariants as delivery
from marketplace.finance import invariants as finance
from marketplace.money import invariants as money
from marketplace.oversight.public_log.invariants import LOG
from marketplace.people import invariants as people
from marketplace.sales import invariants as sales
from marketplace.subscribers import invariants as subscribers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.core.statements import Invariant

log = structlog.get_logger(__name__)

INVARIANTS: Final[dict[str, Invariant]] = {
    invariant.sentence: invariant
    for invariants in (
        people.INVARIANTS,
        consent.INVARIANTS,
        money.INVARIANTS,
        datasets.INVARIANTS,
        sales.INVARIANTS,
        delivery.INVARIANTS,
        subscribers.INVARIANTS,
        finance.INVARIANTS,
        LOG,
    )
    for invariant in invariants
}
"""Each district's invariants by their sentences, in floor order."""


async def broken(among: Mapping[str, Invariant] = INVARIANTS) -> list[str]:
    """Return one line for every offender of these invariants, by their sentences; empty if there is no offender."""
    return [
        f"{sentence}: {msgspec.json.decode(offender)}"
        for sentence, invariant in among.items()
        for offender in await fetch_column(
            str,
            f"SELECT to_jsonb(offender)::text AS offender FROM ({invariant.sql}) AS offender",
            *invariant.values_now(),
        )
    ]


async def sweep_invariants() -> int:
    """Log every invariant that is broken; return how many offenders there are."""
    offenders = await broken()
    for line in offenders:
        log.error("invariant broken", offender=line)
    return len(offenders)
