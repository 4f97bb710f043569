"""What must always be true of the exports of the books: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.bookkeeping.exports.registry import EXPORT_FORMATS
from marketplace.statements import Invariant

EXPORTS: Final = (
    Invariant(
        "an export is in a format that the registry lists",
        "SELECT id AS export, format FROM export_file WHERE format <> ALL ($1::text[])",
        lambda: (list(EXPORT_FORMATS),),
    ),
)
