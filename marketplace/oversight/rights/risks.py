"""Risks for people, and the system's safeguards: the middle of the impact assessment."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from marketplace.core.words import Words


class Risk(Struct, frozen=True):
    """A risk for people, and the safeguards against it."""

    risk: Words
    measures: Words


RISKS: Final = (
    Risk(
        Words("Somebody is recognised in a release that is sold."),
        Words(
            "Only noisy aggregates leave; one person’s influence is bounded, the privacy budget is spent before the data"
            " is looked at and capped over 365 days; each release is attacked before it is sold, and its dossier signed."
        ),
    ),
    Risk(
        Words("Data is used without consent, or after it was withdrawn."),
        Words(
            "Nothing counts without consent at the event’s instant and at the build’s; a withdrawal has effect in the"
            " next build; each word is a signed receipt."
        ),
    ),
    Risk(
        Words("A third party reads the database."),
        Words(
            "Subscribers’ names, addresses and IBANs are encrypted with a key outside the database; of passwords, codes"
            " and keys it has digests alone; backups are encrypted."
        ),
    ),
    Risk(
        Words("An account is stolen."),
        Words(
            "A second factor, compulsory for staff; the password is asked again for money, keys, copies and erasure; a"
            " new IBAN waits before it is paid; each new sign-in is announced."
        ),
    ),
    Risk(
        Words("A member of staff abuses their access."),
        Words(
            "Separate roles, two people to pay; each decision stays named in a trail that nobody can edit or delete."
        ),
    ),
    Risk(
        Words("A restored backup brings an erased person back."),
        Words("Erasures are noted apart from the database, and each restore repeats them."),
    ),
)
