"""What must always be true of the log: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.oversight.public_log.queries import SQL

LOG: Final = (
    Invariant("a line of the audit trail is still what the public log was given", SQL["list_altered_trail"]),
    Invariant(
        "every stated fact is in the log, or waits to be, or the log says the same of its subject already",
        """SELECT log_fact.id FROM log_fact
           WHERE NOT EXISTS (SELECT FROM log_entry WHERE log_entry.fact = log_fact.id)
             AND NOT EXISTS (SELECT FROM unlogged_fact WHERE unlogged_fact.fact = log_fact.id)
             AND NOT EXISTS (SELECT FROM log_entry WHERE log_entry.fact IS NULL
                             AND log_entry.kind = log_fact.kind AND log_entry.subject = log_fact.subject)""",
    ),
    Invariant(
        "the public log has no gap",
        "SELECT count(*) AS entries, max(number) AS last FROM log_entry HAVING count(*) <> max(number) + 1",
    ),
    Invariant(
        "every day's tree has its entry in the log",
        """SELECT kind, day FROM day_tree
           WHERE NOT EXISTS (SELECT FROM log_entry
                             WHERE log_entry.kind = day_tree.kind AND log_entry.subject = day_tree.day::text)""",
    ),
)
