"""Columns and constraints of datasets' positions and pictures."""

from __future__ import annotations

from piccolo.columns import UUID, Array, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS
from marketplace.datasets.releases.tables import Dataset, Release


class Footprint(Table, db=DB, tablename="footprint"):
    """The box around a dataset's zones, in millionths of a degree; a trigger adds a dataset when its first release is sealed."""

    personal_data = NOBODYS
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code", primary_key=True)
    west = Integer(null=True, default=None)
    south = Integer(null=True, default=None)
    east = Integer(null=True, default=None)
    north = Integer(null=True, default=None)
    """All four are null before it is measured, and if no zone has an outline."""
    measured_at = Timestamptz(null=True, default=None)
    is_a_box = Check("num_nulls(west, south, east, north) IN (0, 4) AND west <= east AND south <= north")
    is_measured = Check("west IS NULL OR measured_at IS NOT NULL")


class Picture(Table, db=DB, tablename="picture"):
    """The picture of a dataset for strangers. A recall of a release it depends on deletes it, to be drawn again."""

    personal_data = NOBODYS
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code", primary_key=True)
    version = UUID(default=None)
    """A new one each time it is drawn."""
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    """The release that is drawn."""
    depends_on = Array(base_column=UUID())
    """That release, and all releases drawn earlier on its ground, and on theirs."""
    drawn = Bytea()
    """Encoded by `marketplace.datasets.pictures.pictures`."""
    own_zones = Array(base_column=Text())
    """Zones that its map is the first to show."""
    drawn_at = Timestamptz(default=None)
    depends_on_its_own = Check("release = ANY (depends_on)")


class FormerMap(Table, db=DB, tablename="former_map"):
    """A picture with a map of its own that strangers saw until it was deleted; a trigger writes it."""

    personal_data = NOBODYS
    version = UUID(primary_key=True, default=None)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    own_zones = Array(base_column=Text())
    drawn = Bytea()
    drawn_at = Timestamptz(default=None)
