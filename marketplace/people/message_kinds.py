"""The kinds of messages of this district, about access."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

INVITATION: Final = MessageKind(
    "invitation",
    "/join/{token}",
    subject=Words("{company} invites you to Partage"),
    body=Words("Somebody at {company} invites you to join. The link is valid for seven days, and works once."),
)
PARTNER_VETTED: Final = MessageKind(
    "partner_vetted",
    "/catalogue",
    subject=Words("Your company may buy"),
    body=Words("Your company {company} is vetted. You can ask for the price of every release in the catalogue."),
)
PARTNER_REFUSED: Final = MessageKind(
    "partner_refused",
    "/company",
    subject=Words("Your company was not accepted"),
    body=Words("We cannot accept {company} for now. Reason: {reason}"),
)
CONFIRM_ADDRESS: Final = MessageKind(
    "confirm_address",
    "/confirm-address/{link}.{token}",
    subject=Words("Confirm your address"),
    body=Words(
        "This address was given for an account at Partage. Confirm with the link below that it is yours. If you asked for nothing, there is nothing to do: without your word the address stays free."
    ),
)
CONFIRM_NEW_ADDRESS: Final = MessageKind(
    "confirm_new_address",
    "/address-change/new/{link}.{token}",
    subject=Words("Confirm your new address"),
    body=Words(
        "This address was given as the new address of an account at Partage. Confirm with the link below that it is yours. If you asked for nothing, there is nothing to do."
    ),
)
AGREE_TO_NEW_ADDRESS: Final = MessageKind(
    "agree_to_new_address",
    "/address-change/old/{link}.{token}",
    subject=Words("Change your account’s address?"),
    body=Words(
        "A new address was asked for your account. Accept or refuse it with the link below. Without an answer from you within seven days it takes the place of this one. If it was not you who asked, refuse it at once."
    ),
    warns=True,
)
ADDRESS_CHANGED: Final = MessageKind(
    "address_changed",
    "/address-change/undo/{link}.{token}",
    subject=Words("Your account’s address was changed"),
    body=Words(
        "Your account has another address now. If it was not you who changed it, the link below undoes it for seven days and ends every session."
    ),
    warns=True,
)
PASSWORD_RESET: Final = MessageKind(
    "password_reset",
    "/reset/{link}.{token}",
    subject=Words("Choose a new password"),
    body=Words(
        "A new password was asked for your account. Choose it with the link below; it works for {minutes} minutes and once. If it was not you who asked, there is nothing to do."
    ),
    warns=True,
)
PASSWORD_CHANGED: Final = MessageKind(
    "password_changed",
    "/reset",
    subject=Words("Your password was changed"),
    body=Words("Your password was changed, and all your sessions ended. If it was not you, choose another one now."),
    warns=True,
)
NEW_DEVICE: Final = MessageKind(
    "new_device",
    "/profile",
    subject=Words("Signed in with a new device"),
    body=Words(
        "Somebody signed in to your account with a browser that was not used before, on {at}. If it was not you, change your password now."
    ),
    warns=True,
)
FACTORS_CHANGED: Final = MessageKind(
    "factors_changed",
    "/profile/factors",
    subject=Words("Your second factor was changed"),
    body=Words(
        "On {at}, an app, a passkey or recovery codes were added to your account or removed from it. If it was not you, change your password, remove what you do not recognise and write to us now."
    ),
    warns=True,
)
CODES_GUESSED: Final = MessageKind(
    "codes_guessed",
    "/profile/factors",
    subject=Words("Somebody tries codes to sign in as you"),
    body=Words(
        "By {at}, ten codes were tried with your right password, from browsers that we do not know. If it was not you, change your password now: somebody knows it. Until a code is right, each further one waits longer; a passkey works at once."
    ),
    warns=True,
)
IDENTITY_LINKED: Final = MessageKind(
    "identity_linked",
    "/profile/identities",
    subject=Words("Your account was linked with an identity provider"),
    body=Words(
        "Since {at}, your account can be signed in to with {provider}. If it was not you, remove this link and change your password now."
    ),
    warns=True,
)
IDENTITY_UNLINKED: Final = MessageKind(
    "identity_unlinked",
    "/profile/identities",
    subject=Words("Your account is no longer linked with an identity provider"),
    body=Words(
        "Since {at}, your account can no longer be signed in to with {provider}. If it was not you, change your password now, then link it again."
    ),
    warns=True,
)
PROPOSAL_TO_DECIDE: Final = MessageKind(
    "proposal_to_decide",
    "/finance/decisions",
    subject=Words("To decide: {what_in_words} ({reference})"),
    body=Words("Somebody proposes it: another person has to approve or refuse it."),
    readers="finance",
    may_stop=Words("Decision that waits for a second person"),
)
