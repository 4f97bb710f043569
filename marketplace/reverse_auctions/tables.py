"""Columns and constraints of reverse auctions: who is sought, within which budget, and what each subscriber asked."""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.datasets.tables import Dataset
from marketplace.identity.tables import Subscriber
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData


class ReverseAuction(Table, db=DB, tablename="reverse_auction"):
    """The operator's call for contributors to a dataset: subscribers say, privately, the least they would accept."""

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
    """How many contributors of one stratum are wanted within a budget fixed before opening, and what came of it."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = ForeignKey(ReverseAuction, null=False, on_delete=OnDelete.restrict)
    position = Integer()
    title_fr = Text()
    title_en = Text()
    age_bands = Array(base_column=Text(), default=list)
    """The dataset's bands that make the stratum, checked at the award against the operator's table; none: nobody is checked."""
    wanted = Integer()
    budget_micro = BigInt()
    """The most that all winners together are promised of a licence."""
    reserve_micro = BigInt()
    """The most anyone is promised of a licence, in micro-euros."""
    answered_about = BigInt(default=0)
    """How many answered, with noise, once awarded; of calls of before to two digits."""
    winners_about = BigInt(null=True, default=None)
    """How many were chosen, with noise, once awarded; null of calls of before."""
    winners = Integer(null=True, default=None)
    price_micro = BigInt(null=True, default=None)
    """What each winner is promised, once awarded; null where nobody won."""
    one_position_a_stratum = Unique([auction, position])
    wants_someone = Check("wanted > 0 AND budget_micro > 0 AND reserve_micro > 0")
    never_over_budget = Check("coalesce(winners, 0) * coalesce(price_micro, 0) <= budget_micro AND winners <= wanted")


class ReverseAuctionAsk(Table, db=DB, tablename="reverse_auction_ask"):
    """The least a subscriber would accept, encrypted for the closing job until the end; a later one replaces it."""

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
    won = Integer(null=True, default=None)
    """Of calls of before outcomes were rows of their own: 1 where they won, else 0, once awarded."""
    reason = Text(null=True, default=None)
    one_ask_a_subscriber = Unique([auction, subscriber])
    answered_with_a_reason = Check("(won IS NULL) = (reason IS NULL) AND won IN (0, 1)")


class ReverseAuctionOutcome(Table, db=DB, tablename="reverse_auction_outcome"):
    """What became of an ask, once its call is awarded; append-only.

    A row of its own, in the order of its key: writing a million asks again costs thrice as much as a million such rows.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="ask IN (SELECT id FROM reverse_auction_ask WHERE subscriber = me.line AND asked_at > me.since)",
    )
    ask = UUID(primary_key=True)
    """A key into the asks, of which none is ever deleted: an invariant compares both ways."""
    reason = Text()
    """One of `rules.REASONS`: a pricing rule's, or that the operator's register has its person in another group."""
    says_why = Check("reason <> ''")
