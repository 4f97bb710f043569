"""Sorting and export of tables of figures: the order in the address, and the same rows as a file for a spreadsheet.

A page names its orders; a heading of `ui.table` that names one is a link to it. See `parts.html`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from marketplace.core.web.csv_files import csv_file
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import download

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.response import Response

Row = TypeVar("Row")
Columns: TypeAlias = Mapping[str, Callable[[Row], object]]
"""The columns of a list's file, in their order: the heading of each → what a row has in it."""


def euros(minor: int) -> Decimal:
    """Return cents as a number of euros for a spreadsheet, negative ones too."""
    return Decimal(minor).scaleb(-2)


def in_order(rows: Iterable[Row], sort: str, orders: Mapping[str, Callable[[Row], Any]]) -> list[Row]:
    """Return rows in the order named by `sort`; unchanged if there is no such order."""
    return sorted(rows, key=orders[sort]) if sort in orders else list(rows)


def list_file(name: str, columns: Columns[Row], rows: Iterable[Row]) -> Response[bytes]:
    """Answer with a list as a CSV file: its columns as declared, their headings in the page's language."""
    cells = ([cell(row) for cell in columns.values()] for row in rows)
    return download(name, csv_file([gettext(heading) for heading in columns], cells), "text/csv")
