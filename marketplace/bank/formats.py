"""A bank's file in whichever format it comes: camt.053 or MT940, which say everything, or a CSV, whose columns somebody states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.bank.camt import read_statements
from marketplace.bank.mt940 import is_mt940, read_mt940

if TYPE_CHECKING:
    from marketplace.bank.camt import Statement


def read_file(data: bytes) -> list[Statement]:
    """Return the statements of a camt.053 or MT940 file."""
    return read_mt940(data) if is_mt940(data) else read_statements(data)


def is_csv(data: bytes) -> bool:
    """Return whether a file is of neither of the other formats."""
    return not data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and not is_mt940(data)
