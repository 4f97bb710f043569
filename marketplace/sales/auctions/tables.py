"""Columns and constraints of auctions: lots and rules, bids that are never edited, and their results."""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.catalogue.offers.tables import LicenceTerms, Offer
from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.releases.tables import Release
from marketplace.people.identity.tables import Partner
from marketplace.sales.orders.tables import Order
from pricing.money import EUR


class Auction(Table, db=DB, tablename="auction"):
    """One auction, with its rule fixed at the announcement; every bid locks this row, so bids have one order.

    It accepts bids in [opens_at, its lead's closes_at) of the database's clock. A job or a steward sets `state`; the
    clock decides whether it accepts bids now. The columns that bids change are in the next table, the lead.
    """

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    kind = Text()
    """The code of a kind in the registry; the kind limits the number of lots and licences."""
    offer = ForeignKey(Offer, null=False, on_delete=OnDelete.restrict)
    terms = ForeignKey(LicenceTerms, null=False, on_delete=OnDelete.restrict, target_column="code")
    months = Integer()
    """How long a licence lasts."""
    currency = Varchar(length=3, default=EUR)
    reserve_minor = BigInt()
    """The lowest price of a licence: of the only lot, or of a bundle auction's cheapest.

    In an ascending auction, its first price.
    """
    forgone_minor = BigInt()
    """The other sales that it forgoes: those of an exclusive window, or the posted price of a licence.

    The reserve is never below it.
    """
    licences = Integer()
    price_rule = Text()
    """One of the kind's price rules."""
    steps_from_minor = Array(base_column=BigInt())
    """Ascending: from this price on …"""
    steps_minor = Array(base_column=BigInt())
    """… the next bid must be this much higher."""
    window_seconds = Integer()
    """Ascending: a bid in the last so many seconds moves the end …"""
    extension_seconds = Integer()
    """… to this many seconds after the bid."""
    opens_at = Timestamptz()
    scheduled_close_at = Timestamptz()
    exclusive_from = Timestamptz(null=True, default=None)
    exclusive_to = Timestamptz(null=True, default=None)
    """The window in which nobody else may buy, half-open."""
    pay_within_hours = Integer()
    salt = Bytea()
    """Makes bidders' pseudonyms, which differ from auction to auction."""
    state = Text()
    """open → closed (root published, no bid revealed yet) → awarded; open → cancelled."""
    root = Text(null=True, default=None)
    """Merkle root over the accepted bids' commitments, hex; published at close, before any bid is revealed."""
    announced_by = Text()
    announced_at = Timestamptz()
    computation = Text()
    """How the reserve was computed: canonical JSON from which `pricing` computes it again."""
    deposit_minor = BigInt()
    """The deposit of a bidder without a saved payment method; a winner who does not pay forfeits it."""
    unsecured_minor = BigInt()
    """A bid above it needs a deposit of its size."""
    most_extension_seconds = Integer()
    """Ascending: how much later than scheduled it may end."""
    closed_at = Timestamptz(null=True, default=None)
    awarded_at = Timestamptz(null=True, default=None)
    cancelled_reason = Text(null=True, default=None)
    kind_is_named = Check("kind <> '' AND price_rule <> ''")
    known_state = Check("state IN ('open', 'closed', 'awarded', 'cancelled')")
    reserve_covers_what_is_forgone = Check("reserve_minor > 0 AND forgone_minor BETWEEN 0 AND reserve_minor")
    one_licence_or_several = Check("licences > 0")
    opens_before_it_closes = Check("opens_at < scheduled_close_at")
    window_is_whole = Check(
        "num_nonnulls(exclusive_from, exclusive_to) IN (0, 2) AND (exclusive_from IS NULL OR exclusive_from < exclusive_to)"
    )
    window_is_not_negative = Check(
        "least(window_seconds, extension_seconds, most_extension_seconds) >= 0 AND pay_within_hours > 0"
    )
    steps_pair_up = Check("cardinality(steps_from_minor) = cardinality(steps_minor)")
    closed_with_a_root = Check("(state IN ('closed', 'awarded')) = (root IS NOT NULL AND closed_at IS NOT NULL)")
    awarded_at_an_instant = Check("(state = 'awarded') = (awarded_at IS NOT NULL)")
    deposit_is_positive = Check("least(deposit_minor, unsecured_minor) > 0")
    cancelled_with_a_reason = Check("(state = 'cancelled') = (cancelled_reason IS NOT NULL)")


class AuctionLead(Table, db=DB, tablename="auction_lead"):
    """An auction's bidding so far: the columns that an accepted bid changes. It is locked with its auction.

    It is a row of its own because PostgreSQL reads and checks every CHECK of a table again at each update: the
    auction's CHECKs cost three quarters of a bid.
    """

    personal_data = NOBODYS
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict, primary_key=True)
    closes_at = Timestamptz()
    """Including extensions by late bids."""
    bid_count = BigInt()
    """Number of accepted bids, which is also the last one's position and the latest event of the live page."""
    leader = ForeignKey(Partner, null=True, default=None, on_delete=OnDelete.restrict)
    leading_maximum_minor = BigInt(null=True, default=None)
    """Private to the leader until the end."""
    price_minor = BigInt(null=True, default=None)
    leader_has_a_price = Check(
        "num_nonnulls(leader, leading_maximum_minor, price_minor) IN (0, 3) "
        "AND (price_minor IS NULL OR price_minor <= leading_maximum_minor)"
    )


class AuctionLot(Table, db=DB, tablename="auction_lot"):
    """A lot of an auction, which is a release.

    A bundle auction has several, of one dataset or of several, so with other zones too.

    A lot is a whole release: its people are paid by their weights in all of it, and a part has no such weights.
    """

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict)
    position = Integer()
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    reserve_minor = BigInt()
    """Its reserve."""
    one_place_a_lot = Unique([auction, position])
    sold_once_an_auction = Unique([auction, release])
    positions_start_at_zero = Check("position >= 0")
    reserve_is_positive = Check("reserve_minor > 0")


class Bid(Table, db=DB, tablename="bid"):
    """A request to bid and its one answer, accepted or refused; append-only, and its id is the request's.

    auction and partner are keys; a trigger checks them at once for bids that were decided together.
    """

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = UUID(default=None)
    partner = UUID(default=None)
    pseudonym = Text()
    position = BigInt(null=True, default=None)
    """Position among the accepted bids from 1; null for a refused one."""
    received_at = Timestamptz()
    """The database's clock, read while the auction's row was locked."""
    maximum_minor = BigInt(null=True, default=None)
    """Open auctions only; a sealed bid's amount is not in the database before the award."""
    sealed = Bytea(null=True, default=None)
    """The bid, encrypted for the closing job."""
    commitments = Array(base_column=Text())
    """SHA-256 hashes that bind a sealed bid's content, hex; a bundle auction's bid has one for each package.

    Those of an open bid follow from its row (`rules.commitments_of`).
    """
    answer = Text()
    price_minor = BigInt(null=True, default=None)
    """Open auctions: the leading price after this bid."""
    closes_at = Timestamptz()
    """The auction's end after this bid."""
    covered_minor = BigInt(null=True, default=None)
    """Of a sealed bid: the highest amount that its bidder's deposit covers, which everybody sees.

    Above it the bid is void once opened.
    """
    one_place_a_bid = Unique([auction, position])
    position_is_positive = Check("position > 0")
    known_answer = Check(
        "answer IN ('sealed', 'leading', 'outbid_at_once', 'maximum_raised', 'refused_too_early', 'refused_too_late', "
        "'refused_below_minimum', 'refused_not_a_raise', 'refused_already_bid')"
    )
    accepted_bids_have_a_place = Check("(position IS NULL) = (answer LIKE 'refused%')")
    open_or_sealed = Check("num_nonnulls(maximum_minor, sealed) = 1")
    cover_is_positive = Check("covered_minor > 0")


class AuctionOutcome(Table, db=DB, tablename="auction_outcome"):
    """One bidder's result in one round, and its reason: round 1 is the award, later ones are second chances."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict)
    round = Integer()
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    pseudonym = Text()
    lots = Array(base_column=Integer())
    """Positions of the lots won; empty for a loser."""
    pays_minor = BigInt()
    reason = Text()
    decided_at = Timestamptz()
    one_outcome_a_bidder_and_round = Unique([auction, round, partner])  # noqa: A003 (the column above, not the builtin)
    losers_pay_nothing = Check("(cardinality(lots) = 0) = (pays_minor = 0)")


class AuctionSale(Table, db=DB, tablename="auction_sale"):
    """What a winner pays for one lot; its id is the order's."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    outcome = ForeignKey(AuctionOutcome, null=False, on_delete=OnDelete.restrict)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    net_minor = BigInt()
    due_at = Timestamptz()
    purchase_order = ForeignKey(Order, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    state = Text()
    """due → paid | defaulted | called_back (its release was called back before payment: nobody owes it)."""
    one_sale_a_lot = Unique([outcome, release])
    net_is_positive = Check("net_minor > 0")
    known_state = Check("state IN ('due', 'paid', 'defaulted', 'called_back')")


class AuctionDeposit(Table, db=DB, tablename="auction_deposit"):
    """The deposit of a bidder without a saved method for one auction; its payment has the same id."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    amount_minor = BigInt()
    asked_at = Timestamptz()
    ending = Text(null=True, default=None)
    """released (to those who lost or paid) or forfeited (by a winner who did not pay)."""
    ended_at = Timestamptz(null=True, default=None)
    amount_is_positive = Check("amount_minor > 0")
    known_ending = Check("ending IN ('released', 'forfeited')")
    ended_at_an_instant = Check("(ending IS NULL) = (ended_at IS NULL)")


class AuctionDefault(Table, db=DB, tablename="auction_default"):
    """A winner who did not pay in time: its debt, and until when it may not bid."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    """Also the id of the payment that collects what no deposit covers."""
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    owed_minor = BigInt()
    """How much less its lots were sold for to the next bidder, or can be sold for as usual."""
    decided_at = Timestamptz()
    barred_until = Timestamptz()
    settled_at = Timestamptz(null=True, default=None)
    """When the debt was paid; until then the bar does not end."""
    once_an_auction = Unique([auction, partner])
    owes_or_not = Check("owed_minor >= 0 AND barred_until > decided_at")


class AuctionTranscript(Table, db=DB, tablename="auction_transcript"):
    """Everything needed to compute an award again, as anyone may download it; never edited."""

    personal_data = NOBODYS
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict, primary_key=True)
    document = Bytea()
    published_at = Timestamptz()


class AuctionRound(Table, db=DB, tablename="auction_round"):
    """An auction's transcript after a second chance, with the new award; never edited."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict)
    round = Integer()
    """2 or 3; the first round's transcript is in the table above."""
    document = Bytea()
    published_at = Timestamptz()
    one_transcript_a_round = Unique([auction, round])  # noqa: A003 (the column above, not the builtin)
    rounds_follow_the_award = Check("round > 1")
