"""Letters on paper: messages owed to people that mail cannot reach, as a CSV for the operator's printer."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from marketplace.core.database import transaction
from marketplace.core.settings import settings
from marketplace.core.web.csv_files import cell
from marketplace.people.mail.actions import note_printed
from marketplace.people.mail.queries import list_letters_to_print
from marketplace.people.messages.queries import in_words

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS: Final = ("recipient", "id", "written_on", "subject", "text", "address", "language")
MOST: Final = 100_000


async def print_letters(file: Path) -> int:
    """Write every unprinted letter that is owed on paper, and return how many; each is written once.

    The columns: what the recipient is (line, partner, person) and its id, the day, the text in their language, the
    page's address, the language. The file is complete before letters count as printed; an existing file is refused.
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
