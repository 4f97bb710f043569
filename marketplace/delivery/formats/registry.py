"""The registry of formats of download: adding one is a file beside this one and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.delivery.formats import csv, geoparquet, grid, parquet, xlsx

if TYPE_CHECKING:
    from marketplace.delivery.formats.file_format import FileFormat

FORMATS: Final[dict[str, FileFormat]] = {
    each.code: each for each in (parquet.FORMAT, csv.FORMAT, xlsx.FORMAT, geoparquet.FORMAT, grid.FORMAT)
}
"""Every format by its code, in the order of the order's page."""
