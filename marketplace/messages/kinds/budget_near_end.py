"""Nine tenths of a dataset's privacy budget are spent."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="budget_near_end",
    subject=Words(fr="Le budget de {dataset} est presque épuisé", en="The budget of {dataset} is near its end"),
    body=Words(
        fr="Il reste moins d’un dixième du budget de confidentialité de {dataset}. Une fois épuisé, plus aucune publication n’en est possible.",
        en="Less than a tenth of the privacy budget of {dataset} is left. Once it is spent, no release of it can be built any more.",
    ),
    path="/steward/datasets/{dataset}",
    name=Words(fr="Budget de confidentialité presque épuisé", en="Privacy budget near its end"),
    may_stop=True,
    readers="steward",
)
