"""What must always be true of downloads: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.delivery.downloads.formats.registry import FORMATS

DOWNLOADS: Final = (
    Invariant(
        "nobody downloads outside their entitlement",
        """SELECT download.id AS download, entitlement.id AS entitlement, at
           FROM download JOIN entitlement ON entitlement.id = download.entitlement
           WHERE at < starts_at OR at >= ends_at OR at > revoked_at""",
    ),
    Invariant(
        "a download is in a format that the registry lists",
        "SELECT id AS download, format FROM download WHERE NOT (format = ANY($1::text[]))",
        lambda: (list(FORMATS),),
    ),
)
