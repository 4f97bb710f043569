"""Columns and constraints of private offers, and of the quotes that were signed under them."""

from __future__ import annotations

from piccolo.columns import UUID, Array, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.catalogue.offers.tables import Quote
from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.releases.tables import Dataset
from marketplace.people.identity.tables import Partner


class PrivateOffer(Table, db=DB, tablename="private_offer"):
    """One partner may buy releases of a dataset at a part of the day's price, between two instants."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    basis_points = Integer()
    """What of the price is paid; never less than the least charge of an order."""
    operator_basis_points = Integer()
    """The operator's part of a posted price when it was offered: the discount comes off it alone."""
    months = Array(base_column=Integer(), default=list)
    """The lengths of licence it is for."""
    made_by = Text()
    made_at = Timestamptz()
    ends_at = Timestamptz()
    withdrawn_at = Timestamptz(null=True, default=None)
    half_at_least = Check("basis_points BETWEEN 5000 AND 9900")
    operator_bears_it = Check("10000 - basis_points <= operator_basis_points")
    ends_later = Check("made_at < ends_at")


class PrivateQuote(Table, db=DB, tablename="private_quote"):
    """A quote that was signed under a private offer."""

    personal_data = NOBODYS
    quote = ForeignKey(Quote, null=False, on_delete=OnDelete.restrict, primary_key=True)
    private_offer = ForeignKey(PrivateOffer, null=False, on_delete=OnDelete.restrict)
