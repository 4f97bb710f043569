"""A bank's file in whichever format it comes: camt.053 or MT940, which say everything, or a CSV, whose columns somebody states."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from marketplace.bank.camt import is_xml, read_statements
from marketplace.bank.mt940 import is_mt940, read_mt940

if TYPE_CHECKING:
    from marketplace.bank.camt import Statement


async def read_file(data: bytes) -> list[Statement]:
    """Return the statements of a camt.053 or MT940 file; one of a month of sales may take seconds, beside the others' requests."""
    return await asyncio.to_thread(_read_file, data)


def _read_file(data: bytes) -> list[Statement]:
    return read_mt940(data) if is_mt940(data) and not is_xml(data) else read_statements(data)


def is_csv(data: bytes) -> bool:
    """Return whether a file is of neither of the other formats."""
    return not is_xml(data) and not is_mt940(data)
