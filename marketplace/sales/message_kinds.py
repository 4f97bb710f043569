"""The messages of this district, about orders, subscriptions and auctions."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

INVOICE_ISSUED: Final = MessageKind(
    "invoice_issued",
    "/orders/{id}",
    subject=Words("Your invoice is ready"),
    body=Words("The invoice of your order {order} is on the order’s page."),
    readers="partner",
    by_post=True,
)
INVOICE_CORRECTED: Final = MessageKind(
    "invoice_corrected",
    "/orders/{id}",
    subject=Words("Your invoice is corrected"),
    body=Words(
        "The invoice of your order {order} was cancelled by a credit note and issued again under another number. There is nothing to pay, and your access does not change."
    ),
    readers="partner",
    by_post=True,
)
REFUNDED: Final = MessageKind(
    "refunded",
    "/orders/{id}",
    subject=Words("Your order is refunded"),
    body=Words("Your order {order} is refunded, in whole or in part. The credit note is on the order’s page."),
    readers="partner",
    by_post=True,
)
PAID_TWICE: Final = MessageKind(
    "paid_twice",
    "/orders/{id}",
    subject=Words("A second payment goes back to you"),
    body=Words(
        "You had paid for this data already with order {first}: our finance staff give you back the payment of {order}. You need not do anything."
    ),
    readers="partner",
    by_post=True,
)
CLAIM_FILED: Final = MessageKind(
    "claim_filed",
    "/staff/claims",
    subject=Words("A claim about order {number}"),
    body=Words(
        "A partner says that something is wrong with what it bought. The shares of that sale wait: one person proposes a decision, another agrees."
    ),
    readers="finance",
    may_stop=Words("Claim to decide"),
)
CLAIM_ANSWERED: Final = MessageKind(
    "claim_answered",
    "/orders/{id}/claim",
    subject=Words("Your claim about order {number} is answered"),
    body=Words("Two people decided; their answer is on the claim’s page. If money is given back, it is on its way."),
    readers="partner",
)
PURCHASE_TO_APPROVE: Final = MessageKind(
    "purchase_to_approve",
    "/quotes/{quote}/approval",
    subject=Words("An order of {name} waits for your approval"),
    body=Words(
        "It goes beyond what may be ordered without approval. Its page shows exactly what would be ordered, and until when the price holds: approve or refuse it there."
    ),
    readers="partner",
)
PURCHASE_APPROVED: Final = MessageKind(
    "purchase_approved",
    "/quotes/{quote}/approval",
    subject=Words("Your order is approved"),
    body=Words(
        "An approver of your company approved your order. If it is to be paid on a page, it waits there for three quarters of an hour."
    ),
    readers="partner",
)
PURCHASE_REFUSED: Final = MessageKind(
    "purchase_refused",
    "/quotes/{quote}/approval",
    subject=Words("Your order was refused"),
    body=Words("An approver of your company refused your order; nothing is to be paid."),
    readers="partner",
)
PRIVATE_OFFER_MADE: Final = MessageKind(
    "private_offer_made",
    "/private-offers",
    subject=Words("An offer to your company alone: {dataset}"),
    body=Words("We offer you this dataset at a price for your company alone. The page of your offers says until when."),
    readers="partner",
)
SUBSCRIPTION_PAUSED: Final = MessageKind(
    "subscription_paused",
    "/subscriptions/{id}",
    subject=Words("Your subscription to {dataset} is paused"),
    body=Words("A release of your subscription could not be paid. Save another payment method, then resume it."),
    readers="partner",
)
SUBSCRIPTION_ENDED: Final = MessageKind(
    "subscription_ended",
    "/subscriptions/{id}",
    subject=Words("Your subscription to {dataset} is complete"),
    body=Words(
        "All releases of your subscription are ordered. Renew it, at the price of the day, to have the next ones."
    ),
    readers="partner",
)
SERVICE_CREDITED_LATE: Final = MessageKind(
    "service_credited_late",
    "/orders/{id}",
    subject=Words("A credit on your order {number}"),
    body=Words(
        "A release of your subscription came too late; days after the last one promised: {days}. A part of its price goes back to you, with its credit note."
    ),
    readers="partner",
)
SERVICE_CREDITED_SHORT: Final = MessageKind(
    "service_credited_short",
    "/orders/{id}",
    subject=Words("A credit on your order {number}"),
    body=Words(
        "A release of your subscription covers fewer people than promised: {covered_micro} of the lines consent, {sold_micro} were sold. A part of its price goes back to you, with its credit note."
    ),
    readers="partner",
)
SERVICE_CREDITED_TWICE: Final = MessageKind(
    "service_credited_twice",
    "/orders/{id}",
    subject=Words("A credit on your order {number}"),
    body=Words(
        "A release of your subscription came too late (days after the last one promised: {days}) and covers fewer people than promised: {covered_micro} of the lines consent, {sold_micro} were sold. A part of its price goes back to you, with its credit note."
    ),
    readers="partner",
)
NEW_RELEASE: Final = MessageKind(
    "new_release",
    "/datasets/{dataset}",
    subject=Words("A new release is on sale"),
    body=Words("A dataset that you bought has a newer release."),
    readers="partner",
    may_stop=Words("New release"),
)
"""Written by `sales/subscriptions/functions.sql`."""
RELEASE_REVISED: Final = MessageKind(
    "release_revised",
    "/datasets/{dataset}",
    subject=Words("A release that you have is revised"),
    body=Words("The period that you bought has a later revision, which the dataset’s page shows."),
    readers="partner",
    may_stop=Words("Revision"),
)
"""Written by `sales/subscriptions/functions.sql`."""
RELEASE_RECALLED: Final = MessageKind(
    "release_recalled",
    "/orders/{id}",
    subject=Words("A release that you bought was called back"),
    body=Words(
        "The release of your order {order} was called back: stop using it. The reason, and what you can ask for, are on the order’s page."
    ),
    readers="partner",
    by_post=True,
)
"""Written by `sales/orders/functions.sql`."""
OUTBID: Final = MessageKind(
    "outbid",
    "/auctions/{auction}",
    subject=Words("You are outbid"),
    body=Words("Another bid leads the auction that you led. You can bid until it closes."),
    readers="partner",
    may_stop=Words("Being outbid"),
)
"""Written by `sales/auctions/queries.sql`."""
WON: Final = MessageKind(
    "won",
    "/auctions/{auction}",
    subject=Words("You won an auction"),
    body=Words("You won an auction. The price, and until when it is to be paid, are on its page."),
    readers="partner",
)
DEBT_DUE: Final = MessageKind(
    "debt_due",
    "/auctions/{auction}",
    subject=Words("You owe for an award that was not paid"),
    body=Words(
        "You did not pay in time what you won, and it was sold for less: you owe the difference. It is charged to your saved payment method; where that fails, pay it on the auction’s page. You may bid again once you have paid it, and once the time that the auction’s terms state is over."
    ),
    readers="partner",
    by_post=True,
)
DEPOSIT_CAPTURED: Final = MessageKind(
    "deposit_captured",
    "/auctions/{auction}",
    subject=Words("Your deposit was captured"),
    body=Words("You did not pay in time what you won: your deposit is captured, as the auction’s terms say."),
    readers="partner",
    by_post=True,
)
DEPOSIT_RELEASED: Final = MessageKind(
    "deposit_released",
    "/auctions/{auction}",
    subject=Words("Your deposit is released"),
    body=Words("The auction is over for you: your deposit is released, and nothing of it was charged."),
    readers="partner",
    may_stop=Words("Deposit released"),
)
