"""Columns and constraints of orders that wait for a company's approval."""

from __future__ import annotations

from piccolo.columns import UUID, Boolean, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.catalogue.offers.tables import Quote
from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.people.identity.tables import ApiKey, Person


class PurchaseRequest(Table, db=DB, tablename="purchase_request"):
    """An order beyond what its spender may order without approval, and the decision about exactly that order.

    Asking for another order of the same quote replaces it, and needs a decision of its own.
    """

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="me.person IN (asked_by, decided_by)"
    )
    id = UUID(primary_key=True)
    """The id of its order, once it is placed."""
    quote = ForeignKey(Quote, null=False, on_delete=OnDelete.restrict, unique=True)
    asked_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """The colleague who orders, or who made the key that does; null once that person is erased."""
    api_key = ForeignKey(ApiKey, null=True, default=None, on_delete=OnDelete.restrict)
    """The key that orders, the first of those that replaced each other."""
    document = Bytea()
    """What would be ordered, as canonical JSON: `approval_rules.PurchaseDocument`."""
    document_sha256 = Text()
    """The hash of the document, hex: the approver's form says it."""
    asked_at = Timestamptz()
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """The approver; null until then, and once that person is erased."""
    decided_at = Timestamptz(null=True, default=None)
    approved = Boolean(null=True, default=None)
    hash_is_of_the_document = Check("document_sha256 = encode(sha256(document), 'hex')")
    four_eyes = Check("decided_by <> asked_by")
    decided_whole = Check(
        "num_nonnulls(decided_at, approved) IN (0, 2) AND (decided_by IS NULL OR approved IS NOT NULL)"
    )
