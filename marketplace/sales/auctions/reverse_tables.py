"""Columns and constraints of reverse auctions: which contributors they seek, the budget, and each subscriber's ask."""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.releases.tables import Dataset
from marketplace.people.identity.tables import Subscriber


class ReverseAuction(Table, db=DB, tablename="reverse_auction"):
    """The operator's call for contributors to a dataset: subscribers state, privately, the lowest payment."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    dataset = ForeignKey(Dataset, null=False, on_delete=OnDelete.restrict, target_column="code")
    opens_at = Timestamptz()
    closes_at = Timestamptz()
    promise_from = Timestamptz()
    promise_to = Timestamptz()
    """Licences sold in this half-open interval must honour the promise."""
    state = Text()
    """open → awarded."""
    announced_by = Text()
    announced_at = Timestamptz()
    awarded_at = Timestamptz(null=True, default=None)
    known_state = Check("state IN ('open', 'awarded')")
    opens_before_it_closes = Check("opens_at < closes_at AND closes_at <= promise_from AND promise_from < promise_to")
    awarded_at_an_instant = Check("(state = 'awarded') = (awarded_at IS NOT NULL)")


class ReverseAuctionStratum(Table, db=DB, tablename="reverse_auction_stratum"):
    """How many contributors of one stratum are wanted within a budget fixed before opening, and the result."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = ForeignKey(ReverseAuction, null=False, on_delete=OnDelete.restrict)
    position = Integer()
    title_fr = Text()
    title_en = Text()
    age_bands = Array(base_column=Text(), default=list)
    """The dataset's bands that form the stratum, checked at the award against the operator's table; empty: no check."""
    wanted = Integer()
    budget_micro = BigInt()
    """The highest sum promised to all winners of a licence."""
    reserve_micro = BigInt()
    """The highest promise to one person of a licence, in micro-euros."""
    answered_about = BigInt(default=0)
    """The number of askers, with noise, once awarded."""
    winners_about = BigInt(null=True, default=None)
    """The number of winners, with noise, once awarded."""
    winners = Integer(null=True, default=None)
    price_micro = BigInt(null=True, default=None)
    """The promise to each winner, once awarded; null without winners."""
    one_position_a_stratum = Unique([auction, position])
    wants_someone = Check("wanted > 0 AND budget_micro > 0 AND reserve_micro > 0")
    never_over_budget = Check("coalesce(winners, 0) * coalesce(price_micro, 0) <= budget_micro AND winners <= wanted")


class ReverseAuctionAsk(Table, db=DB, tablename="reverse_auction_ask"):
    """The lowest payment a subscriber would accept, encrypted for the closing job until the end.

    A later one replaces it.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="subscriber = me.line AND asked_at > me.since",
    )
    id = UUID(primary_key=True)
    stratum = ForeignKey(ReverseAuctionStratum, null=False, on_delete=OnDelete.restrict)
    auction = ForeignKey(ReverseAuction, null=False, on_delete=OnDelete.restrict)
    subscriber = ForeignKey(Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference")
    sealed = Bytea()
    asked_at = Timestamptz()
    withdrawn_at = Timestamptz(null=True, default=None)
    one_ask_a_subscriber = Unique([auction, subscriber])


class ReverseAuctionOutcome(Table, db=DB, tablename="reverse_auction_outcome"):
    """The result of an ask, once its call is awarded; append-only.

    It is a row of its own, in the order of its key: updating a million asks costs three times as much as inserting a
    million such rows.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="ask IN (SELECT id FROM reverse_auction_ask WHERE subscriber = me.line AND asked_at > me.since)",
    )
    ask = UUID(primary_key=True)
    """A key into the asks, which are never deleted; an invariant compares both ways."""
    reason = Text()
    """One of `rules.REASONS`: a pricing rule's, or that the operator's register has the person in another group."""
    says_why = Check("reason <> ''")
