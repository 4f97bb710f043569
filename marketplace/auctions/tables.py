"""Columns and constraints of auctions: what is on sale under which rule, bids that are never edited, what became of them."""

from __future__ import annotations

from piccolo.columns import UUID, Array, BigInt, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.catalogue.tables import LicenceTerms, Offer
from marketplace.database import DB
from marketplace.datasets.tables import Release
from marketplace.identity.tables import Partner
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.purchases.tables import Order
from pricing.money import EUR


class Auction(Table, db=DB, tablename="auction"):
    """One auction, whose rule is fixed when it is announced; every bid locks this row, so bids have one order.

    It accepts bids in [opens_at, its lead's closes_at) of the database's clock. `state` is what a job or a steward made of
    it; whether it accepts bids now is the clock's business. What bids change is the lead's, the next table.
    """

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    kind = Text()
    """The code of a kind that the registry lists; the kind says how many lots and licences it may have."""
    offer = ForeignKey(Offer, null=False, on_delete=OnDelete.restrict)
    terms = ForeignKey(LicenceTerms, null=False, on_delete=OnDelete.restrict, target_column="code")
    currency = Varchar(length=3, default=EUR)
    reserve_minor = BigInt()
    """The least a licence is sold for: of its only lot, or of a bundle auction's cheapest; in an ascending auction, its first price."""
    forgone_minor = BigInt()
    """Other sales this gives up: those of an exclusive window, or the posted price of a licence. The reserve is never below it."""
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
    """… to so many seconds after itself."""
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
    reckoning = Text(default="")
    """How the reserve came about: canonical JSON from which `pricing` reckons it again."""
    deposit_minor = BigInt(default=1000)
    """What a bidder without a saved payment method has held back; a winner who does not pay forfeits it."""
    unsecured_minor = BigInt(null=True, default=None)
    """A bid above it needs a deposit of its size; null where none does."""
    terms_version = Integer(default=1)
    """Which terms its transcript and receipts state: from 2 on the instants of every kind, and what bids need; from 4 on the licence's terms."""
    most_extension_seconds = Integer(null=True, default=None)
    """Ascending: how much later than scheduled it ends at most; null for no bound, and then any late bid moves the end."""
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
    window_is_not_negative = Check("window_seconds >= 0 AND extension_seconds >= 0 AND pay_within_hours > 0")
    steps_pair_up = Check("cardinality(steps_from_minor) = cardinality(steps_minor)")
    closed_with_a_root = Check("(state IN ('closed', 'awarded')) = (root IS NOT NULL AND closed_at IS NOT NULL)")
    awarded_at_an_instant = Check("(state = 'awarded') = (awarded_at IS NOT NULL)")
    deposit_is_positive = Check("deposit_minor > 0")
    known_terms = Check("terms_version > 0 AND unsecured_minor > 0 AND most_extension_seconds >= 0")
    cancelled_with_a_reason = Check("(state = 'cancelled') = (cancelled_reason IS NOT NULL)")


class AuctionLead(Table, db=DB, tablename="auction_lead"):
    """An auction's bidding so far: all that an accepted bid changes. It is locked with its auction.

    A row of its own because PostgreSQL reads and checks every CHECK of a table again at each update: the auction's cost
    three quarters of a bid.
    """

    personal_data = NOBODYS
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict, primary_key=True)
    closes_at = Timestamptz()
    """As moved by late bids."""
    bid_count = BigInt()
    """Accepted bids; the last one's position, and the number of the latest event of the live page."""
    leader = ForeignKey(Partner, null=True, default=None, on_delete=OnDelete.restrict)
    leading_maximum_minor = BigInt(null=True, default=None)
    """Private to the leader until the end."""
    price_minor = BigInt(null=True, default=None)
    leader_has_a_price = Check(
        "num_nonnulls(leader, leading_maximum_minor, price_minor) IN (0, 3) "
        "AND (price_minor IS NULL OR price_minor <= leading_maximum_minor)"
    )


class AuctionLot(Table, db=DB, tablename="auction_lot"):
    """A release on sale in an auction; a bundle auction has several, of one dataset or of several, so of other zones too.

    A lot is a whole release: its people are paid by their weights in all of it, which no part of it would give.
    """

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict)
    position = Integer()
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    reserve_minor = BigInt()
    """The least it is sold for."""
    one_place_a_lot = Unique([auction, position])
    sold_once_an_auction = Unique([auction, release])
    positions_start_at_zero = Check("position >= 0")
    reserve_is_positive = Check("reserve_minor > 0")


class Bid(Table, db=DB, tablename="bid"):
    """A request to bid and its one answer, accepted or refused; append-only, and its id is the request's.

    auction and partner are keys, held by a trigger that checks at once what was decided together.
    """

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = UUID(default=None)
    partner = UUID(default=None)
    pseudonym = Text()
    position = BigInt(null=True, default=None)
    """Place among the accepted bids from 1; null for a refused one."""
    received_at = Timestamptz()
    """The database's clock, read while the auction's row was locked."""
    maximum_minor = BigInt(null=True, default=None)
    """Open auctions only; a sealed bid's amount is nowhere in the database before the award."""
    sealed = Bytea(null=True, default=None)
    """The bid, encrypted for the closing job."""
    commitments = Array(base_column=Text())
    """SHA-256 that binds a sealed bid's content, hex; one for each package of a bundle auction's. An open bid's follows
    from its row (`rules.commitments_of`)."""
    answer = Text()
    price_minor = BigInt(null=True, default=None)
    """Open auctions: the leading price after this bid."""
    closes_at = Timestamptz()
    """The auction's end after this bid."""
    covered_minor = BigInt(null=True, default=None)
    """Of a sealed bid: the most that its bidder's deposit covers, which everybody sees; above it the bid is void once opened."""
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
    """What one bidder got and why, in one round: 1 is the award, later ones second chances after an unpaid one."""

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
    """What a winner is to pay for one lot; its id is the order's."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    outcome = ForeignKey(AuctionOutcome, null=False, on_delete=OnDelete.restrict)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    net_minor = BigInt()
    due_at = Timestamptz()
    purchase_order = ForeignKey(Order, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    state = Text()
    """due → paid | defaulted | called_back (its release was, before it was paid: nobody owes it)."""
    one_sale_a_lot = Unique([outcome, release])
    net_is_positive = Check("net_minor > 0")
    known_state = Check("state IN ('due', 'paid', 'defaulted', 'called_back')")


class AuctionDeposit(Table, db=DB, tablename="auction_deposit"):
    """What a bidder without a saved method had held back for one auction; its payment bears the same id."""

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
    """A winner who did not pay in time: what it owes for that, and until when it may not bid."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    """That of the payment, too, by which what no deposit covers is collected."""
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    owed_minor = BigInt()
    """By how much what it won was sold for less to the next, or can be sold for less as usual."""
    decided_at = Timestamptz()
    barred_until = Timestamptz()
    settled_at = Timestamptz(null=True, default=None)
    """When what is owed was paid; until then the bar does not end."""
    once_an_auction = Unique([auction, partner])
    owes_or_not = Check("owed_minor >= 0 AND barred_until > decided_at")


class AuctionTranscript(Table, db=DB, tablename="auction_transcript"):
    """Everything needed to re-compute an award, as anyone may download it; never edited."""

    personal_data = NOBODYS
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict, primary_key=True)
    document = Bytea()
    published_at = Timestamptz()


class AuctionRound(Table, db=DB, tablename="auction_round"):
    """The transcript of an auction with what was awarded again after a winner who did not pay; never edited."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    auction = ForeignKey(Auction, null=False, on_delete=OnDelete.restrict)
    round = Integer()
    """2, or 3: the first is the award's own, in the table above."""
    document = Bytea()
    published_at = Timestamptz()
    one_transcript_a_round = Unique([auction, round])  # noqa: A003 (the column above, not the builtin)
    rounds_follow_the_award = Check("round > 1")
