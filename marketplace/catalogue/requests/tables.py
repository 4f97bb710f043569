"""Columns and constraints of requests for data, and of their partners."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.releases.tables import Dataset
from marketplace.people.identity.tables import Partner


class DataRequest(Table, db=DB, tablename="data_request"):
    """Data that partners ask for: identical requests are one, and no partner reads another's."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    digest = Text()
    """SHA-256 of the content: words of the place in any order, product, grain and days."""
    place = Text()
    """Zones or names as the first partner wrote them; shown to stewards alone."""
    product = Text()
    grain = Text()
    starts_on = Date()
    ends_on = Date()
    """The first and the last day."""
    asked_at = Timestamptz()
    state = Text(default="open")
    """open → offered (a dataset is on sale), call (contributors are asked) or refused."""
    dataset = ForeignKey(Dataset, null=True, default=None, on_delete=OnDelete.restrict, target_column="code")
    reason_fr = Text(default="")
    reason_en = Text(default="")
    answered_by = Text(default="")
    answered_at = Timestamptz(null=True, default=None)
    place_is_bounded = Check("length(place) BETWEEN 1 AND 4000")
    period_is_not_empty = Check("starts_on <= ends_on")
    known_grain = Check("grain IN ('hour', 'day', 'week')")
    known_state = Check("state IN ('open', 'offered', 'call', 'refused')")
    answered_whole = Check("(state = 'open') = (answered_at IS NULL)")
    answer_names_a_dataset = Check("(state IN ('offered', 'call')) = (dataset IS NOT NULL)")
    refusal_says_why = Check("state <> 'refused' OR (reason_fr <> '' AND reason_en <> '')")


class RequestOfPartner(Table, db=DB, tablename="data_request_partner"):
    """One partner's part in a request: the most it would pay for a licence, and its text for stewards."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    data_request = ForeignKey(DataRequest, null=False, on_delete=OnDelete.restrict)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    place = Text()
    """As this partner wrote it."""
    most_minor = BigInt()
    """For a licence, before VAT, in cents."""
    text = Text()
    asked_at = Timestamptz()
    most_is_positive = Check("most_minor BETWEEN 1 AND 100000000000")
    text_is_bounded = Check("length(text) <= 2000")
    once_each = Unique([data_request, partner])
