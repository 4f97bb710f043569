"""The kinds of messages of this district, about requests and searches."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

DATA_REQUESTED: Final = MessageKind(
    "data_requested",
    "/steward/requests/{id}",
    subject=Words("Data asked for: {place}"),
    body=Words(
        "A partner asks for data that is not for sale ({place}). Offer a dataset, open a call, or say why it cannot be."
    ),
    readers="steward",
)
REQUEST_ANSWERED: Final = MessageKind(
    "request_answered",
    "/requests/{id}",
    subject=Words("Your request for data is answered"),
    body=Words("We answered a request for data of your company."),
    readers="partner",
)
SEARCH_MATCH: Final = MessageKind(
    "search_match",
    "/catalogue?{query}",
    subject=Words("Something new for “{name}”"),
    body=Words("New results of your search “{name}”: {count}. Each search can be stopped under Searches."),
    readers="partner",
    may_stop=Words("New match of a saved search"),
)
