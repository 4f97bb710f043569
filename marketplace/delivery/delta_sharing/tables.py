"""Columns and constraints of Delta Sharing's credentials, and of used assertions, each of which works once."""

from __future__ import annotations

from piccolo.columns import UUID, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Partner, Person


class SharingCredential(Table, db=DB, tablename="sharing_credential"):
    """A partner's credential for Delta Sharing: a secret stored as its SHA-256, or a public key alone."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="owner = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    owner = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """The person who made it; it ends with them. Null once that person is erased."""
    kind = Text()
    """bearer, basic or key_pair."""
    label = Text()
    secret_hash = Text(null=True, default=None, unique=True)
    public_key = Text(null=True, default=None)
    """PEM; the partner alone has the private one."""
    created_at = Timestamptz()
    ends_at = Timestamptz()
    last_used_at = Timestamptz(null=True, default=None)
    """To the minute."""
    revoked_at = Timestamptz(null=True, default=None)
    known_kind = Check("kind IN ('bearer', 'basic', 'key_pair')")
    shows_one_thing = Check(
        "(kind = 'key_pair') = (public_key IS NOT NULL) AND num_nonnulls(secret_hash, public_key) = 1"
    )
    ends_after_it_begins = Check("created_at < ends_at")


class UsedAssertion(Table, db=DB, tablename="used_assertion"):
    """A used assertion, signed with a key pair; deleted once it has expired."""

    personal_data = NOBODYS
    sha256 = Text(primary_key=True)
    """Of its credential's id and its own id, hex."""
    ends_at = Timestamptz()
    is_digest = Check("length(sha256) = 64")
