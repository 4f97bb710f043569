"""Columns and constraints of partners' own buckets and of what is put there."""

from __future__ import annotations

from piccolo.columns import UUID, BigSerial, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Partner, Person
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.purchases.tables import Entitlement


class PartnerBucket(Table, db=DB, tablename="partner_bucket"):
    """A bucket of a partner's that what it buys from now on is put into; its credentials are sealed, and gone once disabled."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="owner = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    owner = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """Who added it."""
    endpoint = Text()
    """Address of an S3 server, without a path."""
    region = Text()
    bucket = Text()
    prefix = Text(default="")
    """What objects' names begin with, a `/` at its end; may be empty."""
    key_id = Text()
    """Of the key that sealed the credentials; empty once they are gone."""
    sealed = Bytea()
    added_at = Timestamptz()
    disabled_at = Timestamptz(null=True, default=None)
    disabled_because = Text(default="")
    """removed, or failing (three days long)."""
    known_reason = Check("disabled_because IN ('', 'removed', 'failing')")
    says_why = Check("(disabled_at IS NULL) = (disabled_because = '')")
    credentials_end_with_it = Check("(disabled_at IS NULL) = (length(sealed) > 0)")


class BucketDelivery(Table, db=DB, tablename="bucket_delivery"):
    """One purchase to one bucket, however often it was tried."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    bucket = ForeignKey(PartnerBucket, null=False, on_delete=OnDelete.restrict)
    entitlement = ForeignKey(Entitlement, null=False, on_delete=OnDelete.restrict)
    attempts = Integer(default=0)
    next_at = Timestamptz(null=True, default=None)
    """When it is tried next; null once it was put there or given up."""
    delivered_at = Timestamptz(null=True, default=None)
    last_answer = Text(default="")
    """What the server said last, or why it was not asked."""
    one_delivery_a_purchase = Unique([bucket, entitlement])
    attempts_are_counted = Check("attempts >= 0")
