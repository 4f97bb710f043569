"""Whether PARTAGE_IDENTITY_KEYS are this installation's: with another's, a site would seal names that nobody opens again."""

from __future__ import annotations

from typing import Final

from marketplace.database import fetch_rows
from marketplace.errors import Conflict
from marketplace.identity.names import SealedPerson, is_readable, unseal

FEW: Final = 20
"""Names that are tried. One may be damaged, or of a key that was lost; all of them are of another installation."""


async def refuse_other_identity_keys() -> None:
    """Refuse keys of which none opens any of the first names that were sealed; where none is sealed yet, any keys will do."""
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
