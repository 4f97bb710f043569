"""Parquet: the sealed file itself."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.delivery.downloads.formats.file_format import FileFormat

FORMAT: Final = FileFormat(
    code="parquet",
    title="Parquet",
    about=Words("The sealed file itself, sorted by zone: a program reads only the zones that it asks for."),
    suffix="parquet",
    media_type="application/vnd.apache.parquet",
    write=None,
)
