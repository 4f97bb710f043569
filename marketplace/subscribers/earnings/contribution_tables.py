"""Columns and constraints of the index of contributions: its releases, its segments, and where each part lies.

The contributions themselves are objects of the private store. The only fact about a person here is the first reference
of each block: that this person is in some release.
"""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, BigSerial, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.releases.tables import Release


class ContributionSegment(Table, db=DB, tablename="contribution_segment"):
    """The contributions of some sold releases, sorted by person; written once, later replaced by a larger segment."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    level = Integer()
    """0 for the newest releases, 2 for the oldest."""
    state = Text(default="building")
    """building → live → retired."""
    replaces = Array(base_column=UUID(), default=list)
    """The live segments that are merged into it."""
    gains = Array(base_column=BigInt(), default=list)
    """The numbers of the sold releases that it adds to the index."""
    begun_at = Timestamptz()
    retired_at = Timestamptz(null=True, default=None)
    """When it was retired; its objects are deleted a while later."""
    known_state = Check("state IN ('building', 'live', 'retired')")
    known_level = Check("level BETWEEN 0 AND 2")
    retired_at_an_instant = Check("(state = 'retired') = (retired_at IS NOT NULL)")


class ContributionPart(Table, db=DB, tablename="contribution_part"):
    """One object of a segment: a range of people, in blocks that are read alone."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), "until its segment is replaced", exported=False, erasure=Erasure.PSEUDONYM
    )
    id = BigSerial(primary_key=True)
    segment = ForeignKey(ContributionSegment, null=False, on_delete=OnDelete.restrict)
    number = Integer()
    """From 0, by reference."""
    first_reference = BigInt()
    last_reference = BigInt()
    pairs = BigInt()
    """Number of contributions in it."""
    firsts = Array(base_column=BigInt())
    """The first reference of each block, ascending."""
    ends = Array(base_column=BigInt())
    """Where each block ends, in bytes from the start of the object."""
    one_a_number = Unique([segment, number])
    blocks_have_ends = Check("cardinality(firsts) = cardinality(ends) AND cardinality(firsts) > 0")
    people_ascend = Check("first_reference <= last_reference AND number >= 0 AND pairs > 0")


class SoldRelease(Table, db=DB, tablename="sold_release"):
    """A release that was sold, or tried, and the small number that the index uses for it."""

    personal_data = NOBODYS
    number = BigSerial(primary_key=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict, unique=True)
    segment = ForeignKey(ContributionSegment, null=True, default=None, on_delete=OnDelete.restrict)
    """The live segment that has its contributions; while null, its manifest is read."""
