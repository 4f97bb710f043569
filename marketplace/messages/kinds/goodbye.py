"""Somebody erased themselves: the last letter that they get."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="goodbye",
    subject=Words(fr="Vous n’êtes plus sur Partage", en="You are no longer on Partage"),
    body=Words(
        fr="Comme vous l’avez demandé, votre nom, votre adresse et votre mot de passe sont effacés, vos consentements sont"
        " retirés et vos sessions fermées. Ce que votre ligne a fait jusqu’ici ne comptera dans aucune publication à venir."
        " C’est notre dernier message : cette adresse est effacée dès qu’il est parti. Si ce n’était pas vous, écrivez-nous.",
        en="As you asked, your name, address and password are erased, your consents are withdrawn and your sessions ended."
        " What your line did until now will count in no release to come. This is our last message: this address is erased"
        " once it is sent. If it was not you, write to us.",
    ),
    path="/help",
)
