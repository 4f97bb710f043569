"""Columns and constraints of partners' own buckets and of deliveries to them."""

from __future__ import annotations

from piccolo.columns import UUID, BigSerial, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Partner, Person
from marketplace.sales.orders.tables import Entitlement


class PartnerBucket(Table, db=DB, tablename="partner_bucket"):
    """A partner's bucket for its further purchases; its credentials are sealed, and deleted once it is disabled."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="owner = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    owner = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """The person who added it."""
    endpoint = Text()
    """Address of an S3 server, without a path."""
    region = Text()
    bucket = Text()
    prefix = Text(default="")
    """The beginning of objects' names, with a final `/`; may be empty."""
    key_id = Text()
    """Of the key that sealed the credentials; empty once they are deleted."""
    sealed = Bytea()
    added_at = Timestamptz()
    disabled_at = Timestamptz(null=True, default=None)
    disabled_because = Text(default="")
    """removed, or failing (for three days)."""
    known_reason = Check("disabled_because IN ('', 'removed', 'failing')")
    says_why = Check("(disabled_at IS NULL) = (disabled_because = '')")
    credentials_end_with_it = Check("(disabled_at IS NULL) = (length(sealed) > 0)")


class BucketDelivery(Table, db=DB, tablename="bucket_delivery"):
    """One purchase to one bucket, with all its attempts."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    bucket = ForeignKey(PartnerBucket, null=False, on_delete=OnDelete.restrict)
    entitlement = ForeignKey(Entitlement, null=False, on_delete=OnDelete.restrict)
    attempts = Integer(default=0)
    next_at = Timestamptz(null=True, default=None)
    """When it is tried next; null once delivered or given up."""
    delivered_at = Timestamptz(null=True, default=None)
    last_answer = Text(default="")
    """The server's last answer, or why there was no request."""
    one_delivery_a_purchase = Unique([bucket, entitlement])
    attempts_are_counted = Check("attempts >= 0")
