"""The kinds of messages of this district, about files, buckets and webhooks."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

LICENCE_ENDING: Final = MessageKind(
    "licence_ending",
    "/orders/{id}",
    subject=Words("One of your licences ends soon"),
    body=Words("The licence of your order {order} ends in less than thirty days."),
    readers="partner",
    may_stop=Words("A licence is about to end"),
)
DELETION_DUE: Final = MessageKind(
    "deletion_due",
    "/orders/{id}",
    subject=Words("Confirm that your copies are deleted"),
    body=Words(
        "The release of your order {order} was called back. Delete your copies, then confirm it on the order’s page."
    ),
    readers="partner",
)
DELETION_MISSING: Final = MessageKind(
    "deletion_missing",
    "/staff/deletions",
    subject=Words("A deletion is not confirmed"),
    body=Words(
        "{company} did not confirm that it deleted its copies of order {order}, although it was reminded several times."
    ),
    readers="steward",
)
BUCKET_FAILING: Final = MessageKind(
    "bucket_failing",
    "/bucket",
    subject=Words("A file could not be put into your bucket"),
    body=Words("Order {order} could not be put into {bucket}: {answer}. We try again for three days."),
    readers="partner",
)
BUCKET_DISABLED: Final = MessageKind(
    "bucket_disabled",
    "/bucket",
    subject=Words("Your bucket is disabled"),
    body=Words(
        "{bucket} took nothing for three days: nothing more is put there, and its credentials are forgotten. Add it again once it answers; what it missed can be downloaded on each order’s page."
    ),
    readers="partner",
)
BUCKET_LEFT: Final = MessageKind(
    "bucket_left",
    "/bucket",
    subject=Words("Your bucket is removed"),
    body=Words(
        "The person who added {bucket} has left your company: nothing more is put there, and its credentials are forgotten. If it is still yours, add it again."
    ),
    readers="partner",
)
"""Written by `delivery/outgoing/functions.sql`."""
WEBHOOK_DISABLED: Final = MessageKind(
    "webhook_disabled",
    "/notifications",
    subject=Words("An address for notifications is disabled"),
    body=Words(
        "The address {url} is gone or did not answer for three days: nothing more is posted to it. Add it again once it answers; what it missed is in the list of events."
    ),
    readers="partner",
)
WEBHOOK_LEFT: Final = MessageKind(
    "webhook_left",
    "/notifications",
    subject=Words("An address for notifications is removed"),
    body=Words(
        "The person who added the address {url} has left your company: nothing more is posted to it. If it is still yours, add it again; what is missing is in the list of events."
    ),
    readers="partner",
)
"""Written by `delivery/outgoing/functions.sql`."""
