"""The registry of download formats: to add one, add a file next to this one and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.delivery.downloads.formats import csv, geoparquet, grid, parquet, xlsx

if TYPE_CHECKING:
    from marketplace.delivery.downloads.formats.file_format import FileFormat

FORMATS: Final[dict[str, FileFormat]] = {
    each.code: each for each in (parquet.FORMAT, csv.FORMAT, xlsx.FORMAT, geoparquet.FORMAT, grid.FORMAT)
}
"""Every format by its code, in the order of the order's page."""
