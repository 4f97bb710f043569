"""Columns and constraints of the operator's own zones: one document a table."""

from __future__ import annotations

from piccolo.columns import Integer, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData


class ZoneTable(Table, db=DB, tablename="zone_table"):
    """The operator's own zones: codes, names, parents and outlines. Append-only except for titles."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    code = Text(primary_key=True)
    document = Text()
    """GeoJSON features, parents before their children."""
    sha256 = Text()
    """Of the document, in UTF-8; specifications name the table by it."""
    zone_count = Integer()
    defined_by = Text()
    defined_at = Timestamptz()
    title_fr = Text(default="")
    title_en = Text(default="")
    """Its title, which a steward may change; empty if nobody set it, and then its code is shown."""
    code_is_a_slug = Check("code ~ '^[a-z0-9][a-z0-9-]{1,62}$'")
    document_is_the_one_named = Check("sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')")
    has_zones = Check("zone_count > 0")
