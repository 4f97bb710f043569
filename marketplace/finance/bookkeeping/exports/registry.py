"""The formats of export, by code: adding one is a file beside this one, its name here, and its test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.finance.bookkeeping.exports import accountant, beancount, fec, hledger

if TYPE_CHECKING:
    from marketplace.finance.bookkeeping.exports.format import ExportFormat

EXPORT_FORMATS: Final[dict[str, ExportFormat]] = {
    module.FORMAT.code: module.FORMAT for module in (fec, accountant, beancount, hledger)
}
"""Code → format, in the order of the page."""
