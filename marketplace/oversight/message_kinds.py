"""The kinds of messages of this district, about copies, deletions and incidents."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

DATA_COPIED: Final = MessageKind(
    "data_copied",
    "/profile",
    subject=Words(fr="Une copie de vos données a été téléchargée", en="A copy of your data was downloaded"),
    fr="Une copie de tout ce que nous savons de vous a été téléchargée le {at}. Si ce n’était pas vous, changez votre mot de passe dès maintenant et écrivez-nous.",
    en="A copy of all that we know about you was downloaded on {at}. If it was not you, change your password now and write to us.",
)
GOODBYE: Final = MessageKind(
    "goodbye",
    "/help",
    subject=Words(fr="Vous n’êtes plus sur Partage", en="You are no longer on Partage"),
    fr="Comme vous l’avez demandé, votre nom, votre adresse et votre mot de passe sont effacés, vos consentements sont retirés et vos sessions fermées. Ce que votre ligne a fait jusqu’ici ne comptera dans aucune publication à venir. C’est notre dernier message : cette adresse est effacée dès qu’il est parti. Si ce n’était pas vous, écrivez-nous.",
    en="As you asked, your name, address and password are erased, your consents are withdrawn and your sessions ended. What your line did until now will count in no release to come. This is our last message: this address is erased once it is sent. If it was not you, write to us.",
)
INCIDENT_BEGUN: Final = MessageKind(
    "incident_begun",
    "/staff/incidents/{id}",
    subject=Words(fr="Données personnelles, {what} : {title}", en="Personal data, {what}: {title}"),
    fr="Un plan en sept étapes est ouvert ; la CNIL doit être prévenue dans les 72 heures si un risque est à craindre. Chaque étape se décide sur la page, avec un mot.",
    en="A plan of seven steps is open; the authority has to be notified within 72 hours if a risk is likely. Each step is decided on the page, with a word.",
    readers="steward",
)
