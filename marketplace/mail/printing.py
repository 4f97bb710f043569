"""Letters on paper: what is owed to people out of reach of mail, as a CSV for the operator's printer."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from marketplace.database import transaction
from marketplace.mail.actions import note_printed
from marketplace.mail.queries import list_letters_to_print
from marketplace.messages.queries import in_words
from marketplace.settings import settings
from marketplace.web.csv_files import cell

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: Final = ("recipient", "id", "written_on", "subject", "text", "address", "language")
MOST: Final = 100_000


async def print_letters(file: Path) -> int:
    """Write every letter that is owed on paper and was not printed yet, and return how many; each is written once.

    The columns: what the recipient is (line, partner, person) and its id, the day, the words in their language, the
    page's address, the language. The file is written whole before letters count as printed, and is refused where it is there already.
    """
    async with transaction():
        letters = await list_letters_to_print(MOST)
        written = io.StringIO()
        rows = csv.writer(written)
        rows.writerow(COLUMNS)
        for one in letters:
            words = in_words(one.kind, one.source_id, one.details, one.language)
            address = f"{settings().url}/{one.language}{words.path}"
            written_on = f"{one.created_at:%Y-%m-%d}"
            row = (one.audience, one.recipient, written_on, words.subject, words.body, address, one.language)
            rows.writerow(map(cell, row))
        with file.open("x", encoding="utf-8") as output:
            output.write(written.getvalue())
        await note_printed([one.id for one in letters])
    return len(letters)
