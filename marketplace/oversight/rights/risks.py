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
        Words(
            fr="Quelqu’un est reconnu dans une publication vendue.",
            en="Somebody is recognised in a release that is sold.",
        ),
        Words(
            fr="Seuls des agrégats bruités sortent ; l’influence d’une personne est bornée, le budget de confidentialité"
            " dépensé avant de regarder les données et plafonné sur 365 jours ; chaque publication est attaquée avant"
            " d’être vendue, et son dossier est signé.",
            en="Only noisy aggregates leave; one person’s influence is bounded, the privacy budget is spent before the data"
            " is looked at and capped over 365 days; each release is attacked before it is sold, and its dossier signed.",
        ),
    ),
    Risk(
        Words(
            fr="Des données servent sans consentement, ou après son retrait.",
            en="Data is used without consent, or after it was withdrawn.",
        ),
        Words(
            fr="Rien n’est compté sans consentement en vigueur à l’instant de l’événement et à celui du calcul ; le retrait"
            " prend effet au calcul suivant ; chaque parole donne un reçu signé.",
            en="Nothing counts without consent at the event’s instant and at the build’s; a withdrawal has effect in the"
            " next build; each word is a signed receipt.",
        ),
    ),
    Risk(
        Words(
            fr="La base de données est lue par un tiers.",
            en="A third party reads the database.",
        ),
        Words(
            fr="Noms, adresses et IBAN des abonnés sont chiffrés par une clé hors de la base ; mots de passe, codes et clés"
            " n’y sont qu’en empreintes ; les sauvegardes sont chiffrées.",
            en="Subscribers’ names, addresses and IBANs are encrypted with a key outside the database; of passwords, codes"
            " and keys it has digests alone; backups are encrypted.",
        ),
    ),
    Risk(
        Words(fr="Un compte est usurpé.", en="An account is stolen."),
        Words(
            fr="Second facteur, obligatoire pour le personnel ; mot de passe redemandé pour l’argent, les clés, les copies"
            " et l’effacement ; un nouvel IBAN attend avant d’être payé ; chaque nouvelle connexion est annoncée.",
            en="A second factor, compulsory for staff; the password is asked again for money, keys, copies and erasure; a"
            " new IBAN waits before it is paid; each new sign-in is announced.",
        ),
    ),
    Risk(
        Words(fr="Un membre du personnel abuse de son accès.", en="A member of staff abuses their access."),
        Words(
            fr="Rôles séparés, deux personnes pour payer ; chaque décision reste nommée dans une piste qu’on ne peut ni"
            " modifier ni effacer.",
            en="Separate roles, two people to pay; each decision stays named in a trail that nobody can edit or delete.",
        ),
    ),
    Risk(
        Words(
            fr="Une personne effacée revient avec une sauvegarde.",
            en="Somebody who is erased comes back with a backup.",
        ),
        Words(
            fr="Les effacements sont notés hors de la base et refaits par toute restauration.",
            en="Erasures are noted apart from the database, and each restore repeats them.",
        ),
    ),
)
