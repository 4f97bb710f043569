"""The messages of this district, about budgets."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

BUDGET_NEAR_END: Final = MessageKind(
    "budget_near_end",
    "/steward/datasets/{dataset}",
    subject=Words("The budget of {dataset} is near its end"),
    body=Words(
        "Less than a tenth of the privacy budget of {dataset} is left. Once it is spent, no release of it can be built any more."
    ),
    readers="steward",
    may_stop=Words("Privacy budget near its end"),
)
