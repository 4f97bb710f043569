"""What must always be true of the audit trail: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant

TRAIL: Final = (
    Invariant(
        "every line of the audit trail is in its chain, or waits to be",
        """SELECT id FROM staff_action
           WHERE NOT EXISTS (SELECT FROM trail_link WHERE action = staff_action.id)
             AND NOT EXISTS (SELECT FROM unlinked_action WHERE action = staff_action.id)""",
    ),
    Invariant(
        "the chain of the audit trail has no gap",
        "SELECT count(*) AS links, max(number) AS last FROM trail_link HAVING count(*) <> max(number)",
    ),
)
