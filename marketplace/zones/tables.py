"""Columns and constraints of the operator's own zones: one document a table."""

from __future__ import annotations

from piccolo.columns import Integer, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import FOR_GOOD, Erasure, Of, PersonalData


class ZoneTable(Table, db=DB, tablename="zone_table"):
    """The operator's own zones: codes, names, parents and outlines. Append-only but for its titles: another table has another code."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    code = Text(primary_key=True)
    document = Text()
    """GeoJSON features, parents before their children."""
    sha256 = Text()
    """Of the document, in UTF-8: what specifications name it by."""
    zone_count = Integer()
    defined_by = Text()
    defined_at = Timestamptz()
    title_fr = Text(default="")
    title_en = Text(default="")
    """What it is called, which a steward may change; empty where nobody said: its code is read instead."""
    code_is_a_slug = Check("code ~ '^[a-z0-9][a-z0-9-]{1,62}$'")
    document_is_the_one_named = Check("sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')")
    has_zones = Check("zone_count > 0")
