"""Columns and constraints of where datasets lie, and of what is drawn of them."""

from __future__ import annotations

from piccolo.columns import UUID, Array, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.datasets.tables import Dataset, Release
from marketplace.personal_data import NOBODYS


class Footprint(Table, db=DB, tablename="footprint"):
    """The box around a dataset's zones, in millionths of a degree; a trigger adds a dataset when its first release is sealed."""

    personal_data = NOBODYS
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code", primary_key=True)
    west = Integer(null=True, default=None)
    south = Integer(null=True, default=None)
    east = Integer(null=True, default=None)
    north = Integer(null=True, default=None)
    """All four are null before it is measured, and where no zone has an outline."""
    measured_at = Timestamptz(null=True, default=None)
    is_a_box = Check("num_nulls(west, south, east, north) IN (0, 4) AND west <= east AND south <= north")
    is_measured = Check("west IS NULL OR measured_at IS NOT NULL")


class Picture(Table, db=DB, tablename="picture"):
    """What strangers see of a dataset; deleted by the transaction that calls back what it depends on, and then drawn anew."""

    personal_data = NOBODYS
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code", primary_key=True)
    version = UUID(default=None)
    """Another one each time that it is drawn."""
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    """The one that is drawn."""
    depends_on = Array(base_column=UUID())
    """That release, and all that were drawn of its ground before it, and of theirs."""
    drawn = Bytea()
    """As `marketplace.pictures` writes it."""
    own_zones = Array(base_column=Text(), null=True, default=None)
    """Those that its map shows and that none before it showed; null where a former version drew it: any of its dataset's."""
    drawn_at = Timestamptz(default=None)
    depends_on_its_own = Check("release = ANY (depends_on)")


class FormerMap(Table, db=DB, tablename="former_map"):
    """A picture with a map of its own that strangers saw until it was deleted; a trigger writes it."""

    personal_data = NOBODYS
    version = UUID(primary_key=True, default=None)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    own_zones = Array(base_column=Text(), null=True, default=None)
    drawn = Bytea(null=True, default=None)
    """Null of what was called back before pictures were kept."""
    drawn_at = Timestamptz(default=None)
