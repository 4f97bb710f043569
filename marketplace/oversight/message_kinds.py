"""The kinds of messages of this district, about copies, deletions and incidents."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

DATA_COPIED: Final = MessageKind(
    "data_copied",
    "/profile",
    subject=Words("A copy of your data was downloaded"),
    body=Words(
        "A copy of all that we know about you was downloaded on {at}. If it was not you, change your password now and write to us."
    ),
)
GOODBYE: Final = MessageKind(
    "goodbye",
    "/help",
    subject=Words("You are no longer on Partage"),
    body=Words(
        "As you asked, your name, address and password are erased, your consents are withdrawn and your sessions ended. What your line did until now will count in no release to come. This is our last message: this address is erased once it is sent. If it was not you, write to us."
    ),
)
INCIDENT_BEGUN: Final = MessageKind(
    "incident_begun",
    "/staff/incidents/{id}",
    subject=Words("Personal data, {what}: {title}"),
    body=Words(
        "A plan of seven steps is open; the authority has to be notified within 72 hours if a risk is likely. Each step is decided on the page, with a word."
    ),
    readers="steward",
)
