"""What must always be true of write-offs: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant

WRITE_OFFS: Final = (
    Invariant(
        "a write-off is entered for what two people agreed to",
        """SELECT journal_entry.id AS entry, source_id FROM journal_entry WHERE kind = 'write_off' AND NOT EXISTS (
               SELECT FROM proposal WHERE proposal.kind = 'write_off' AND id::text = source_id AND approved AND abs(amount_minor) = (
                   SELECT sum(posting.amount_minor) FROM posting WHERE posting.entry = journal_entry.id))""",
    ),
)
