"""What contributors of a dataset are promised: written down by the slice that promised it, kept by the revenue share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.database import copy_columns, execute
from marketplace.datasets.tables import ContributorTerm

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    import numpy as np
    from numpy.typing import NDArray

ROWS_A_WRITE: Final = 200_000


async def write_contributor_term(
    term: uuid.UUID, dataset: str, *, promised_minor: int, starts_at: dt.datetime, ends_at: dt.datetime
) -> None:
    """Write a term of a dataset: all its promises cost at most `promised_minor` of a licence priced in [starts_at, ends_at)."""
    row = ContributorTerm(id=term, dataset=dataset, promised_minor=promised_minor, starts_at=starts_at, ends_at=ends_at)
    await ContributorTerm.insert(row)


async def write_promises(term: uuid.UUID, subscribers: NDArray[np.int64], minimum_micro: NDArray[np.int64]) -> None:
    """Write the least that each subscriber of a term earns of each of its licences, in micro-euros above 0; in a transaction."""
    await execute("CREATE TEMPORARY TABLE promise_given (subscriber BIGINT, minimum_micro BIGINT) ON COMMIT DROP")
    for start in range(0, len(subscribers), ROWS_A_WRITE):
        some = slice(start, start + ROWS_A_WRITE)
        await execute("TRUNCATE promise_given")
        await copy_columns("promise_given", {"subscriber": subscribers[some], "minimum_micro": minimum_micro[some]})
        await execute(
            """INSERT INTO contributor_promise (term, subscriber, minimum_micro)
               SELECT $1, subscriber, minimum_micro FROM promise_given ORDER BY subscriber""",
            term,
        )
