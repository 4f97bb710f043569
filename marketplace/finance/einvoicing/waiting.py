"""Documents still to be reported have rows of their own: the job's cost depends on these, not on all documents sent.

A trigger notes each document when it is issued.
"""

from __future__ import annotations

from marketplace.core.database import execute, transaction
from marketplace.finance.einvoicing.queries import SQL


async def forget_said() -> None:
    """Remove the reported documents from the queue: status 212 and payments of orders on credit."""
    async with transaction():
        await execute(SQL["forget_receipts"])
        await execute(SQL["forget_parts"])
