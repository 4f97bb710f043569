"""The kinds of messages of this district, about access."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

INVITATION: Final = MessageKind(
    "invitation",
    "/join/{token}",
    subject=Words(fr="{company} vous invite sur Partage", en="{company} invites you to Partage"),
    fr="Une personne de {company} vous invite à rejoindre son entreprise. Le lien est valable sept jours et ne sert qu’une fois.",
    en="Somebody at {company} invites you to join. The link is valid for seven days, and works once.",
)
PARTNER_VETTED: Final = MessageKind(
    "partner_vetted",
    "/catalogue",
    subject=Words(fr="Votre entreprise peut acheter", en="Your company may buy"),
    fr="Votre entreprise {company} est vérifiée. Vous pouvez demander un prix pour chaque publication du catalogue.",
    en="Your company {company} is vetted. You can ask for the price of every release in the catalogue.",
)
PARTNER_REFUSED: Final = MessageKind(
    "partner_refused",
    "/company",
    subject=Words(fr="Votre entreprise n’est pas acceptée", en="Your company was not accepted"),
    fr="Nous ne pouvons pas accepter {company} pour l’instant. Motif : {reason}",
    en="We cannot accept {company} for now. Reason: {reason}",
)
CONFIRM_ADDRESS: Final = MessageKind(
    "confirm_address",
    "/confirm-address/{link}.{token}",
    subject=Words(fr="Confirmer votre adresse", en="Confirm your address"),
    fr="Cette adresse a été donnée pour un compte chez Partage. Confirmez par le lien ci-dessous qu’elle est à vous. Si vous n’avez rien demandé, il n’y a rien à faire : sans votre confirmation, l’adresse reste libre.",
    en="This address was given for an account at Partage. Confirm with the link below that it is yours. If you asked for nothing, there is nothing to do: without your word the address stays free.",
)
CONFIRM_NEW_ADDRESS: Final = MessageKind(
    "confirm_new_address",
    "/address-change/new/{link}.{token}",
    subject=Words(fr="Confirmer votre nouvelle adresse", en="Confirm your new address"),
    fr="Cette adresse a été donnée comme nouvelle adresse d’un compte chez Partage. Confirmez par le lien ci-dessous qu’elle est à vous. Si vous n’avez rien demandé, il n’y a rien à faire.",
    en="This address was given as the new address of an account at Partage. Confirm with the link below that it is yours. If you asked for nothing, there is nothing to do.",
)
AGREE_TO_NEW_ADDRESS: Final = MessageKind(
    "agree_to_new_address",
    "/address-change/old/{link}.{token}",
    subject=Words(fr="Changer l’adresse de votre compte ?", en="Change your account’s address?"),
    fr="Une nouvelle adresse a été demandée pour votre compte. Le lien ci-dessous permet de l’accepter ou de la refuser. Sans réponse de votre part sous sept jours, elle remplacera celle-ci. Si cette demande ne vient pas de vous, refusez-la sans attendre.",
    en="A new address was asked for your account. Accept or refuse it with the link below. Without an answer from you within seven days it takes the place of this one. If it was not you who asked, refuse it at once.",
)
ADDRESS_CHANGED: Final = MessageKind(
    "address_changed",
    "/address-change/undo/{link}.{token}",
    subject=Words(fr="L’adresse de votre compte a changé", en="Your account’s address was changed"),
    fr="Votre compte utilise désormais une autre adresse. Si ce changement ne vient pas de vous, le lien ci-dessous l’annule pendant sept jours et met fin à toutes les sessions.",
    en="Your account has another address now. If it was not you who changed it, the link below undoes it for seven days and ends every session.",
)
PASSWORD_RESET: Final = MessageKind(
    "password_reset",
    "/reset/{link}.{token}",
    subject=Words(fr="Choisir un nouveau mot de passe", en="Choose a new password"),
    fr="Un nouveau mot de passe a été demandé pour votre compte. Le lien ci-dessous permet de le choisir ; il est valable {minutes} minutes et ne sert qu’une fois. Si cette demande ne vient pas de vous, il n’y a rien à faire.",
    en="A new password was asked for your account. Choose it with the link below; it works for {minutes} minutes and once. If it was not you who asked, there is nothing to do.",
)
PASSWORD_CHANGED: Final = MessageKind(
    "password_changed",
    "/reset",
    subject=Words(fr="Votre mot de passe a été changé", en="Your password was changed"),
    fr="Votre mot de passe a été changé et toutes vos sessions ont pris fin. Si ce n’était pas vous, choisissez-en un autre dès maintenant.",
    en="Your password was changed, and all your sessions ended. If it was not you, choose another one now.",
)
NEW_DEVICE: Final = MessageKind(
    "new_device",
    "/profile",
    subject=Words(fr="Connexion avec un nouvel appareil", en="Signed in with a new device"),
    fr="Quelqu’un s’est connecté à votre compte avec un navigateur qui n’avait pas encore servi, le {at}. Si ce n’était pas vous, changez votre mot de passe dès maintenant.",
    en="Somebody signed in to your account with a browser that was not used before, on {at}. If it was not you, change your password now.",
)
FACTORS_CHANGED: Final = MessageKind(
    "factors_changed",
    "/profile/factors",
    subject=Words(fr="Votre second facteur a été modifié", en="Your second factor was changed"),
    fr="Le {at}, une application, une clé d’accès ou des codes de secours ont été ajoutés à votre compte, ou en ont été retirés. Si ce n’était pas vous, changez votre mot de passe, retirez ce que vous ne reconnaissez pas et écrivez-nous dès maintenant.",
    en="On {at}, an app, a passkey or recovery codes were added to your account or removed from it. If it was not you, change your password, remove what you do not recognise and write to us now.",
)
IDENTITY_LINKED: Final = MessageKind(
    "identity_linked",
    "/profile/identities",
    subject=Words(
        fr="Votre compte a été relié à un fournisseur d’identité",
        en="Your account was linked with an identity provider",
    ),
    fr="Depuis le {at}, on peut se connecter à votre compte avec {provider}. Si ce n’était pas vous, supprimez ce lien et changez votre mot de passe dès maintenant.",
    en="Since {at}, your account can be signed in to with {provider}. If it was not you, remove this link and change your password now.",
)
IDENTITY_UNLINKED: Final = MessageKind(
    "identity_unlinked",
    "/profile/identities",
    subject=Words(
        fr="Votre compte n’est plus relié à un fournisseur d’identité",
        en="Your account is no longer linked with an identity provider",
    ),
    fr="Depuis le {at}, on ne peut plus se connecter à votre compte avec {provider}. Si ce n’était pas vous, changez votre mot de passe dès maintenant, puis reliez-le de nouveau.",
    en="Since {at}, your account can no longer be signed in to with {provider}. If it was not you, change your password now, then link it again.",
)
PROPOSAL_TO_DECIDE: Final = MessageKind(
    "proposal_to_decide",
    "/finance/decisions",
    subject=Words(fr="À décider : {what_in_words} ({reference})", en="To decide: {what_in_words} ({reference})"),
    fr="Une personne le propose : une autre doit l’approuver ou le refuser.",
    en="Somebody proposes it: another person has to approve or refuse it.",
    readers="finance",
    may_stop=Words(fr="Décision qui attend une seconde personne", en="Decision that waits for a second person"),
)
