"""Invariants of auctions: a sentence, and the SQL that names the offenders; the sweep checks them with all others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.money.ledger import chart
from marketplace.sales.auctions.registry import KINDS


def _price_rules() -> tuple[list[str], list[str]]:
    """Return each kind with each of its price rules."""
    pairs = [(code, price_rule) for code, kind in KINDS.items() for price_rule in kind.price_rules]
    return [code for code, _ in pairs], [price_rule for _, price_rule in pairs]


AUCTIONS: Final = (
    Invariant(
        "an auction's kind is one that the registry lists, and its price rule one of the kind's",
        """SELECT id AS auction, kind, price_rule FROM auction
           WHERE (kind, price_rule) NOT IN (SELECT * FROM unnest($1::text[], $2::text[]))""",
        _price_rules,
    ),
    Invariant(
        "an auction has a window exactly when its kind has one",
        """SELECT id AS auction, kind, exclusive_from, exclusive_to FROM auction
           WHERE (exclusive_from IS NOT NULL) <> (kind = ANY ($1::text[]))""",
        lambda: ([code for code, kind in KINDS.items() if kind.has_window],),
    ),
    Invariant(
        "an auction sells no more licences than its kind may",
        """SELECT id AS auction, auction.kind, licences, most_licences
           FROM auction JOIN unnest($1::text[], $2::integer[]) AS known (kind, most_licences) ON known.kind = auction.kind
           WHERE licences > most_licences""",
        lambda: (list(KINDS), [kind.most_licences for kind in KINDS.values()]),
    ),
    Invariant(
        "an auction's accepted bids are numbered from one without a gap, and its lead says how many they are",
        """SELECT auction.id AS auction, lead.bid_count, count(bid.position) AS bids, max(bid.position) AS last
           FROM auction LEFT JOIN auction_lead AS lead ON lead.auction = auction.id LEFT JOIN bid ON bid.auction = auction.id
           GROUP BY auction.id, lead.bid_count
           HAVING lead.bid_count IS NULL OR (count(bid.position), coalesce(max(bid.position), 0)) <> (lead.bid_count, lead.bid_count)""",
    ),
    Invariant(
        "bids are in the order of their instants, each within its auction",
        """SELECT bid.id AS bid
           FROM (SELECT id, auction, received_at, lag(received_at) OVER (PARTITION BY auction ORDER BY position) AS before
                 FROM bid WHERE position IS NOT NULL) AS bid
           JOIN auction ON auction.id = bid.auction JOIN auction_lead AS lead ON lead.auction = auction.id
           WHERE received_at < before OR received_at < opens_at OR received_at >= lead.closes_at""",
    ),
    Invariant(
        "a live auction is awarded to its leader, at the leading price",
        """SELECT auction.id AS auction FROM auction JOIN auction_lead AS lead ON lead.auction = auction.id
           LEFT JOIN auction_outcome AS won ON won.auction = auction.id AND won.round = 1 AND cardinality(won.lots) > 0
           WHERE auction.kind = ANY ($1::text[]) AND auction.state = 'awarded'
             AND (won.partner, won.pays_minor) IS DISTINCT FROM (lead.leader, lead.price_minor)""",
        lambda: ([code for code, kind in KINDS.items() if not kind.bids.is_sealed],),
    ),
    Invariant(
        "an awarded auction has a transcript, and no other one has",
        """SELECT auction.id AS auction FROM auction LEFT JOIN auction_transcript AS transcript ON transcript.auction = auction.id
           WHERE (auction.state = 'awarded') <> (transcript.auction IS NOT NULL)""",
    ),
    Invariant(
        "an awarded order is bought at its award's price, under the auction that set it",
        """SELECT sale.id AS sale, purchase_order.id AS "order", sale.net_minor, purchase_order.net_minor AS ordered_minor
           FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           JOIN purchase_order ON purchase_order.id = sale.purchase_order
           JOIN order_lot ON order_lot.purchase_order = purchase_order.id JOIN quote ON quote.id = order_lot.quote
           WHERE (quote.partner, quote.release, purchase_order.net_minor, quote.auction)
                 IS DISTINCT FROM (outcome.partner, sale.release, sale.net_minor, outcome.auction)""",
    ),
    *(
        Invariant(
            sentence,
            f"""SELECT entry.id AS entry, entry.source_id AS deposit, received_minor, posted.amount_minor
                FROM journal_entry AS entry LEFT JOIN auction_deposit ON auction_deposit.id::text = entry.source_id
                LEFT JOIN payment ON payment.subject = auction_deposit.id
                LEFT JOIN LATERAL (SELECT sum(amount_minor) AS amount_minor FROM posting
                                   WHERE posting.entry = entry.id AND (debit, credit) = ($1::text, $2::text)) AS posted ON true
                WHERE entry.kind = '{kind}'
                  AND (ending IS DISTINCT FROM 'forfeited' OR received_minor IS DISTINCT FROM posted.amount_minor{more})""",
            (chart.PARTNERS, account),
        )
        for sentence, kind, account, more in (
            (
                "a forfeited deposit is entered once as forfeited, for what was captured, and no other is",
                "deposit_forfeited",
                chart.FORFEITED_DEPOSITS,
                " OR payment.capture <> 'manual'",
            ),
            (
                "a penalty is entered once, for what was paid of it, and no deposit is entered as one",
                "penalty_received",
                chart.PENALTIES,
                " OR payment.capture <> 'automatic'",
            ),
        )
    ),
    *(
        Invariant(
            f"what a bank reversed of a {what} is entered against disputes, and nothing else is",
            f"""SELECT entry.id AS entry, entry.source_id AS dispute, posted.amount_minor
                FROM journal_entry AS entry LEFT JOIN dispute ON dispute.id = entry.source_id
                LEFT JOIN auction_deposit ON auction_deposit.id = dispute.payment_subject
                LEFT JOIN LATERAL (SELECT sum(amount_minor) AS amount_minor FROM posting
                                   WHERE posting.entry = entry.id AND (debit, credit) = ($1::text, $2::text)) AS posted ON true
                WHERE entry.kind = '{kind}'
                  AND (ending IS DISTINCT FROM 'forfeited' OR dispute.state <> 'lost'
                       OR posted.amount_minor IS NULL OR posted.amount_minor > dispute.amount_minor)""",
            (account, chart.DISPUTES),
        )
        for what, kind, account in (
            ("forfeited deposit", "deposit_charged_back", chart.FORFEITED_DEPOSITS),
            ("penalty", "penalty_charged_back", chart.PENALTIES),
        )
    ),
    Invariant(
        "what was given back of a forfeited deposit or a penalty is entered for what Stripe moved",
        """SELECT entry.id AS entry, entry.kind, entry.source_id AS movement, movement.amount_minor, posted.amount_minor AS posted_minor
           FROM journal_entry AS entry LEFT JOIN balance_transaction AS movement ON movement.id = entry.source_id
           LEFT JOIN auction_deposit ON auction_deposit.id = movement.payment_subject
           LEFT JOIN LATERAL (
               SELECT sum(CASE $1::text WHEN credit THEN -amount_minor WHEN debit THEN amount_minor ELSE 0 END) AS amount_minor
               FROM posting WHERE posting.entry = entry.id) AS posted ON true
           WHERE entry.kind IN ('deposit_given_back', 'penalty_given_back')
             AND (auction_deposit.id IS NULL OR movement.amount_minor IS DISTINCT FROM posted.amount_minor)""",
        (chart.PARTNERS,),
    ),
    Invariant(
        "what unpaid awards earned is what their entries say, and no other entry",
        """SELECT entry.id AS entry, entry.kind, entry.source_id FROM posting JOIN journal_entry AS entry ON entry.id = posting.entry
           WHERE (debit IN ($1, $2) OR credit IN ($1, $2))
             AND kind NOT IN ('deposit_forfeited', 'penalty_received', 'deposit_charged_back', 'penalty_charged_back',
                              'deposit_given_back', 'penalty_given_back', 'reversal')""",
        (chart.FORFEITED_DEPOSITS, chart.PENALTIES),
    ),
)
