"""The kinds of messages of this district, about requests and searches."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

DATA_REQUESTED: Final = MessageKind(
    "data_requested",
    "/steward/requests/{id}",
    subject=Words(fr="Données demandées : {place}", en="Data asked for: {place}"),
    fr="Un partenaire demande des données qui ne sont pas en vente ({place}). Proposez un jeu de données, ouvrez un appel, ou dites pourquoi ce n’est pas possible.",
    en="A partner asks for data that is not for sale ({place}). Offer a dataset, open a call, or say why it cannot be.",
    readers="steward",
)
REQUEST_ANSWERED: Final = MessageKind(
    "request_answered",
    "/requests/{id}",
    subject=Words(fr="Votre demande de données a sa réponse", en="Your request for data is answered"),
    fr="Nous avons répondu à une demande de données de votre entreprise.",
    en="We answered a request for data of your company.",
    readers="partner",
)
SEARCH_MATCH: Final = MessageKind(
    "search_match",
    "/catalogue?{query}",
    subject=Words(fr="Du nouveau pour « {name} »", en="Something new for “{name}”"),
    fr="Nouveaux résultats de votre recherche « {name} » : {count}. Chaque recherche peut être arrêtée sous Recherches.",
    en="New results of your search “{name}”: {count}. Each search can be stopped under Searches.",
    readers="partner",
    may_stop=Words(fr="Nouveau résultat d’une recherche enregistrée", en="New match of a saved search"),
)
