"""Something new matches a search that a person saved: a dataset, a release of one, or a price that fell."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="search_match",
    subject=Words(fr="Du nouveau pour « {name} »", en="Something new for “{name}”"),
    body=Words(
        fr="Nouveaux résultats de votre recherche « {name} » : {count}. Chaque recherche peut être arrêtée sous Recherches.",
        en="New results of your search “{name}”: {count}. Each search can be stopped under Searches.",
    ),
    path="/catalogue?{query}",
    name=Words(fr="Nouveau résultat d’une recherche enregistrée", en="New match of a saved search"),
    may_stop=True,
    readers="partner",
)
