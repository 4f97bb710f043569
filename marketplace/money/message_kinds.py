"""The messages of this district, about credit and accounts."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

CREDIT_LIMIT_SET: Final = MessageKind(
    "credit_limit_set",
    "/to-pay",
    subject=Words("Your limit for paying on invoice has changed"),
    body=Words(
        "The page of what you have to pay says the limit and what is left of it. Within it, the data is yours with the order, and the invoice is paid by bank transfer within thirty days."
    ),
    readers="partner",
)
CREDIT_DUE: Final = MessageKind(
    "credit_due",
    "/to-pay#{id}",
    subject=Words("The invoice of order {number} is overdue"),
    body=Words(
        "The thirty days to pay are over, and your transfer has not reached us. Twenty-one days after it was due, the data of this order can no longer be downloaded, until it is paid."
    ),
    readers="partner",
    by_post=True,
)
CREDIT_SUSPENDED: Final = MessageKind(
    "credit_suspended",
    "/to-pay#{id}",
    subject=Words("The data of order {number} is suspended"),
    body=Words(
        "Its invoice has been overdue for more than twenty-one days. As soon as your transfer reaches us, the data can be downloaded again."
    ),
    readers="partner",
    by_post=True,
)
INVOICE_UNPAID: Final = MessageKind(
    "invoice_unpaid",
    "/to-pay/duplicate?order={id}",
    subject=Words("Duplicate of the unpaid invoice of order {number}"),
    body=Words(
        "This invoice was left unpaid, and we wrote it off. Here is its duplicate, which the law has us send you: the VAT that it states may not be deducted (French general tax code, article 272). The sum is still owed; once you pay it, the VAT may be deducted again."
    ),
    readers="partner",
    by_post=True,
)
