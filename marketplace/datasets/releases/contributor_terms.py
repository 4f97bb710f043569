"""Promises to the contributors of a dataset: written by the package that makes them, met by the revenue share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.database import copy_columns
from marketplace.datasets.releases.tables import ContributorTerm

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    import numpy as np
    from numpy.typing import NDArray


async def write_contributor_term(
    term: uuid.UUID, dataset: str, *, promised_minor: int, starts_at: dt.datetime, ends_at: dt.datetime
) -> None:
    """Record a term of a dataset: promises cost at most `promised_minor` a licence priced in [starts_at, ends_at)."""
    row = ContributorTerm(id=term, dataset=dataset, promised_minor=promised_minor, starts_at=starts_at, ends_at=ends_at)
    await ContributorTerm.insert(row)


async def write_promises(term: uuid.UUID, subscribers: NDArray[np.int64], minimum_micro: NDArray[np.int64]) -> None:
    """Record the least each subscriber of a term, ascending, earns from each of its licences, in micro-euros above 0.

    In a transaction.
    """
    import numpy as np  # noqa: PLC0415 (only who writes promises pays for it)

    terms = np.full(len(subscribers), np.frombuffer(term.bytes, dtype="S16"))
    await copy_columns(
        "contributor_promise", {"term": terms, "subscriber": subscribers, "minimum_micro": minimum_micro}
    )
