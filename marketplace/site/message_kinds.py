"""The kinds of messages of this district, about jobs and payments."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

JOB_LATE: Final = MessageKind(
    "job_late",
    "/docs/reference/jobs",
    subject=Words("The job {job} is late or fails"),
    body=Words(
        "The scheduled job {job} failed, or did not run in time. It is tried again; the operator should look at its log."
    ),
    readers="steward",
    may_stop=Words("Job late or failing"),
)
PAYMENT_DUE: Final = MessageKind(
    "payment_due",
    "/auctions/{auction}",
    subject=Words("Your payment is due within a day"),
    body=Words(
        "What you won in an auction is not paid yet. After its time the lot goes to somebody else, and a deposit is captured."
    ),
    readers="partner",
)
