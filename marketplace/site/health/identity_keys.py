"""Whether PARTAGE_IDENTITY_KEYS are this installation's.

With another's keys, a site would seal names that nobody can open again.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.database import fetch_rows
from marketplace.core.errors import Conflict
from marketplace.people.identity.names import SealedPerson, is_readable, unseal

FEW: Final = 20
"""How many names are tried. One may be damaged, or of a lost key; if all fail, they are another installation's."""


async def refuse_other_identity_keys() -> None:
    """Refuse keys that open none of the first sealed names; without a sealed name, any keys are accepted."""
    some = await fetch_rows(
        SealedPerson,
        "SELECT id, subscriber, email, name, sealed, key_id FROM person WHERE sealed IS NOT NULL LIMIT $1",
        FEW,
    )
    if some and not any(is_readable(unseal(person)) for person in some):
        raise Conflict(
            "PARTAGE_IDENTITY_KEYS do not open the names in this database, sealed by {key}: write this installation’s own "
            "keys there, or compare DATABASE_URL.",
            key=some[0].key_id,
        )
