"""The one table of everything that one person proposes and another decides."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person


class Proposal(Table, db=DB, tablename="proposal"):
    """Somebody's proposal, and the decision of another person; the id is that of the form that proposed it."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    kind = Text()
    """A code of the registry."""
    subject = Text()
    """What it is about: of a kind and a subject one proposal waits at a time."""
    amount_minor = BigInt(null=True, default=None)
    """In cents, where it is about an amount."""
    reason = Text(default="")
    """Empty where the kind asks for no reason."""
    document = JSONB()
    """What is proposed, whole: the kind's struct."""
    document_sha256 = Text()
    """The hash of the document: the second person's form says it."""
    proposed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    proposed_at = Timestamptz()
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    decided_at = Timestamptz(null=True, default=None)
    approved = Boolean(null=True, default=None)
    reason_says_something = Check("reason = '' OR length(btrim(reason)) BETWEEN 3 AND 2000")
    four_eyes = Check("decided_by <> proposed_by")
    decided_whole = Check("num_nonnulls(decided_by, decided_at, approved) IN (0, 3)")
