"""What must always be true of the exports of the books: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.finance.bookkeeping.exports.registry import EXPORT_FORMATS

EXPORTS: Final = (
    Invariant(
        "an export is in a format that the registry lists",
        "SELECT id AS export, format FROM export_file WHERE format <> ALL ($1::text[])",
        lambda: (list(EXPORT_FORMATS),),
    ),
    Invariant(
        "the FEC of a closed year is the same however often it is written",
        """SELECT year, again.id AS export
           FROM (SELECT id, decided_at, (document ->> 'year')::int AS year FROM proposal
                 WHERE kind = 'year' AND approved) AS close
           JOIN export_file AS first ON first.id = close.id
           JOIN export_file AS again ON again.format = 'fec' AND again.first_day = make_date(year, 1, 1)
            AND again.last_day = make_date(year, 12, 31) AND again.requested_at >= decided_at
           WHERE first.state = 'done' AND again.state = 'done' AND again.sha256 <> first.sha256""",
    ),
    Invariant(
        "a closed year earned what its postings to costs and income say",
        """SELECT year, result_minor
           FROM (SELECT (document ->> 'year')::int AS year, (document ->> 'result_minor')::bigint AS result_minor
                 FROM proposal WHERE kind = 'year' AND approved) AS close
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(CASE WHEN credit ~ '^[67]' THEN amount_minor ELSE 0 END
                                   - CASE WHEN debit ~ '^[67]' THEN amount_minor ELSE 0 END), 0) AS minor
               FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
               WHERE at >= make_date(year, 1, 1)::timestamp AT TIME ZONE 'Europe/Paris'
                 AND at < make_date(year + 1, 1, 1)::timestamp AT TIME ZONE 'Europe/Paris') AS books
           WHERE result_minor <> books.minor""",
    ),
)
