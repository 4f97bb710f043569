"""The tours: the person of each, and its stops in the best order; pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stop(Struct, frozen=True):
    """A page to open, its title, and what to look at there."""

    path: str
    title: Words
    text: Words


class Tour(Struct, frozen=True):
    """A tour: its reader, the email of the demo's person for it, its subject, and its stops."""

    title: Words
    email: str
    about: Words
    stops: tuple[Stop, ...]


def _stop(path: str, title: tuple[str, str], text: tuple[str, str]) -> Stop:
    """Return a stop; titles and texts are in French and in English."""
    return Stop(path, Words(*title), Words(*text))


PARTNER: Final = Tour(
    Words("Partenaire", "Partner"),
    "camille@demo.partage.example",
    Words(
        "Camille Roche achète des données pour l’Atelier Urbain : trouver, comprendre, essayer, acheter, recevoir.",
        "Camille Roche buys data for Atelier Urbain: find, understand, try, buy, receive.",
    ),
    (
        _stop(
            "/catalogue",
            ("Chercher dans le catalogue", "Search the catalogue"),
            (
                (
                    "Tapez « nuits » ou « villeurbane » : les fautes de frappe et les deux langues sont comprises. Les filtres à "
                    "gauche comptent ce qui reste ; l’adresse de la page garde votre recherche."
                ),
                (
                    "Type “nuits” or “villeurbane”: typing errors and both languages are understood. The filters count what is "
                    "left, and the page’s address keeps your search."
                ),
            ),
        ),
        _stop(
            "/datasets/lyon-presence-hour",
            ("Comprendre un jeu de données", "Understand a dataset"),
            (
                (
                    "Déplacez le curseur des heures sur la carte, puis lisez la cascade du prix : chaque barre dit pourquoi "
                    "l’on paie, et la dernière où va l’argent."
                ),
                (
                    "Move the hours’ slider on the map, then read the price’s waterfall: each bar says what is paid for, and "
                    "the last where the money goes."
                ),
            ),
        ),
        _stop(
            "/datasets/lyon-flows-day/preview",
            ("Regarder vos zones avant de payer", "Look at your zones before you pay"),
            (
                (
                    "Choisissez « Lyon 3e » et « Villeurbanne », ou collez des codes postaux : la réponse dit, zone par zone, "
                    "si les chiffres suffisent."
                ),
                (
                    "Choose “Lyon 3e” and “Villeurbanne”, or paste postcodes: the answer says, zone by zone, whether the "
                    "figures suffice."
                ),
            ),
        ),
        _stop(
            "/compare?dataset=lyon-presence-day&dataset=grenoble-presence-day",
            ("Comparer deux villes", "Compare two cities"),
            (
                "Ce qui diffère est mis en avant : couverture, précision, fraîcheur, prix.",
                "What differs is marked: coverage, precision, freshness, price.",
            ),
        ),
        _stop(
            "/datasets/lyon-nights",
            ("Acheter", "Buy"),
            (
                (
                    "Demandez un prix, commandez et payez sur la page de test (une carte suffit d’un clic). Le fichier est "
                    "prêt aussitôt, la facture aussi."
                ),
                (
                    "Get a price, order and pay on the test page (one click is enough). The file is ready at once, and so is "
                    "the invoice."
                ),
            ),
        ),
        _stop(
            "/orders",
            ("Retrouver vos achats", "Find your purchases"),
            (
                "Une année de commandes, avec fichiers, factures et liens pour vos programmes.",
                "A year of orders, with files, invoices and links for your programs.",
            ),
        ),
        _stop(
            "/subscriptions",
            ("S’abonner", "Subscribe"),
            (
                "L’Atelier Urbain reçoit les prochaines semaines de Lyon à un prix garanti, sans rien faire.",
                "Atelier Urbain gets the next weeks of Lyon at a locked price, without doing anything.",
            ),
        ),
        _stop(
            "/auctions",
            ("Enchérir", "Bid"),
            (
                (
                    "Une enchère est en cours : quelqu’un est devant vous. Celle qui est finie montre son procès-verbal, que "
                    "chacun peut recalculer."
                ),
                (
                    "An auction is under way: somebody is ahead of you. The one that is over shows its transcript, which "
                    "anybody can compute again."
                ),
            ),
        ),
        _stop(
            "/datasets/grenoble-presence-day",
            ("Voir un rappel", "See a recall"),
            (
                "Une publication de Grenoble vient d’être rappelée : la page dit pourquoi, et laquelle la suit.",
                "A release of Grenoble was just called back: the page says why, and which one follows it.",
            ),
        ),
    ),
)
SUBSCRIBER: Final = Tour(
    Words("Abonné", "Subscriber"),
    "lucie@demo.partage.example",
    Words(
        "Lucie Martin a une ligne mobile et a dit oui : elle voit ce que cela rapporte, qui s’en sert, et comment arrêter.",
        "Lucie Martin has a mobile line and said yes: she sees what it earns, who uses it, and how to stop.",
    ),
    (
        _stop(
            "/earnings",
            ("Ce que cela rapporte", "What it earns"),
            (
                "Une année de parts, au millionième d’euro : chaque licence vendue, et le calcul de votre part.",
                "A year of shares, to a millionth of a euro: each licence sold, and how your share is computed.",
            ),
        ),
        _stop(
            "/my-data",
            ("Ce qui est compté", "What is counted"),
            (
                "Coupez une source, un lieu, des heures ou un secteur : cela vaut dès le prochain calcul.",
                "Switch off a source, a place, hours or a sector: it counts from the next build on.",
            ),
        ),
        _stop(
            "/my-data#map",
            ("Votre propre carte", "Your own map"),
            (
                "Vos propres événements, préparés pour vous seule et effacés dix minutes après.",
                "Your own events, prepared for you alone and deleted ten minutes later.",
            ),
        ),
        _stop(
            "/consent",
            ("Dire non", "Say no"),
            (
                "Retirez un consentement : c’est aussi simple que de le donner, et le reçu en fait foi.",
                "Withdraw a consent: it is as easy as giving it, and a receipt proves it.",
            ),
        ),
        _stop(
            "/calls",
            ("Dire votre prix", "Name your price"),
            (
                "Un appel demande à partir de quelle somme vous participeriez ; personne ne voit votre réponse.",
                "A call asks the least you would accept; nobody sees your answer.",
            ),
        ),
        _stop(
            "/earnings/payouts",
            ("Être payée", "Be paid"),
            (
                "Onze virements faits, mois après mois ; on peut aussi donner, ou prendre des gigaoctets.",
                "Eleven transfers made, month by month; one may also give, or take gigabytes instead.",
            ),
        ),
        _stop(
            "/profile/data",
            ("Emporter tout", "Take everything along"),
            (
                "Une copie de tout ce que l’on sait de vous ; et, à côté, l’effacement.",
                "A copy of all that is known about you; and, beside it, erasure.",
            ),
        ),
    ),
)
STEWARD: Final = Tour(
    Words("Gestionnaire", "Steward"),
    "samir@demo.partage.example",
    Words(
        "Samir Haddad décide de ce qui est compté, sous quelle promesse, et à quel prix c’est vendu.",
        "Samir Haddad decides what is counted, under which promise, and at what price it is sold.",
    ),
    (
        _stop(
            "/start",
            ("Ce qui attend", "What waits"),
            (
                "La liste de départ est faite ; dessous, ce qui demande une décision.",
                "The first steps are done; below, what asks for a decision.",
            ),
        ),
        _stop(
            "/steward/datasets",
            ("Huit jeux de données", "Eight datasets"),
            (
                "Deux villes, quatre produits, des hexagones et vos propres zones : budget dépensé et publications de chacun.",
                "Two cities, four kinds, hexagons and zones of your own: the budget spent and the releases of each.",
            ),
        ),
        _stop(
            "/steward/datasets/lyon-flows-day/dry-run",
            ("Essayer à blanc", "Try without spending"),
            (
                "Ce qu’une publication donnerait et coûterait, avant de dépenser le moindre ε.",
                "What a release would be like and cost, before any ε is spent.",
            ),
        ),
        _stop(
            "/steward/offers",
            ("Les prix", "Prices"),
            (
                "Changez un prix : l’audit refuse ce qui permettrait d’avoir la même chose pour moins, et dit comment.",
                "Change a price: the audit refuses what would let somebody have the same for less, and says how.",
            ),
        ),
        _stop(
            "/staff/funnel",
            ("Vu, essayé, acheté", "Seen, previewed, bought"),
            (
                "De chaque jeu : combien l’ont vu, demandé, acheté, et pourquoi d’autres non. Sans cookie.",
                "Of each dataset: how many saw it, asked and bought, and why others did not. Without cookies.",
            ),
        ),
        _stop(
            "/steward/requests",
            ("Ce qui manque", "What is missing"),
            (
                "Deux entreprises demandent la même chose sans le savoir : répondez par une offre, un appel ou un refus.",
                "Two companies ask for the same without knowing: answer by an offer, a call or a refusal.",
            ),
        ),
        _stop(
            "/steward/private-offers",
            ("Une offre pour un seul", "An offer to one alone"),
            (
                "La métropole a 15 % de moins, jusqu’à une date, jamais sous ce que touchent les personnes comptées.",
                "The metropolis pays 15% less until a day, never below what the people counted are due.",
            ),
        ),
        _stop(
            "/steward/sectors",
            ("Des partenaires de plusieurs secteurs", "Partners of several sectors"),
            (
                "Un secteur est dit par vous, et les abonnés peuvent l’exclure.",
                "You state a partner’s sector, and subscribers may exclude it.",
            ),
        ),
    ),
)
FINANCE: Final = Tour(
    Words("Finances", "Finance"),
    "nora@demo.partage.example",
    Words(
        "Nora Lefèvre tient les comptes au centime : ventes, parts, virements, banque, clôtures.",
        "Nora Lefèvre keeps the books to the cent: sales, shares, transfers, bank, closes.",
    ),
    (
        _stop(
            "/finance/desk",
            ("Le bureau du matin", "The morning’s desk"),
            (
                "Ce qui attend, par âge et montant, et qui s’en occupe. Une réclamation vient d’arriver.",
                "What waits, by age and amount, and who sees to it. A claim has just come.",
            ),
        ),
        _stop(
            "/finance",
            ("Rapproché de quatre façons", "Reconciled four ways"),
            (
                "Commandes, Stripe, banque et virements : l’écart doit être zéro, et l’est.",
                "Orders, Stripe, bank and payouts: the difference must be zero, and is.",
            ),
        ),
        _stop(
            "/finance/business",
            ("Les chiffres de l’affaire", "The business in figures"),
            (
                "Une année de chiffre d’affaires, la TVA, ce qui est dû ; un clic montre les écritures derrière un nombre.",
                "A year of revenue, VAT, what is owed; a click shows the entries behind a number.",
            ),
        ),
        _stop(
            "/staff/claims",
            ("Une réclamation", "A claim"),
            (
                "Les parts de cette vente attendent que deux personnes décident.",
                "The shares of this sale wait until two people decide.",
            ),
        ),
        _stop(
            "/finance/exceptions",
            ("Ce qui cloche", "Exceptions"),
            (
                "Un virement est revenu : compte clos. La page dit quoi faire.",
                "A transfer came back: account closed. The page says what to do.",
            ),
        ),
        _stop(
            "/finance/payout-runs",
            ("Payer les abonnés", "Pay the subscribers"),
            (
                "Préparez un envoi, faites-le approuver par Hugo Blanc, et voyez la banque répondre.",
                "Draft a run, let Hugo Blanc approve it, and see the bank answer.",
            ),
        ),
        _stop(
            "/finance/periods",
            ("Clôturer", "Close"),
            (
                "Douze mois clos ; ce qui empêcherait la prochaine clôture est nommé.",
                "Twelve months closed; what would prevent the next close is named.",
            ),
        ),
        _stop(
            "/finance/exports",
            ("Remettre aux comptables", "Hand over to accountants"),
            (
                "FEC, beancount, hledger : chacun est relu par un autre programme.",
                "FEC, beancount, hledger: each is read again by another program.",
            ),
        ),
    ),
)
AUDITOR: Final = Tour(
    Words("Auditeur", "Auditor"),
    "paul@demo.partage.example",
    Words(
        "Paul Girard lit tout et ne change rien : il vérifie sans devoir croire.",
        "Paul Girard reads everything and changes nothing: he checks without having to believe.",
    ),
    (
        _stop(
            "/finance/audit",
            ("Qui a fait quoi", "Who did what"),
            (
                "Chaque décision, accès et consultation, dans une chaîne où rien ne peut être ôté.",
                "Each decision, access and look, in a chain that breaks if one is removed.",
            ),
        ),
        _stop(
            "/finance/trial-balance",
            ("La balance", "The trial balance"),
            (
                "Débit égale crédit, à toute date ; un compte mène à ses écritures, une écriture à sa pièce.",
                "Debit equals credit, on any day; an account leads to its entries, an entry to its document.",
            ),
        ),
        _stop(
            "/finance/reconciliation",
            ("Les rapprochements", "Reconciliations"),
            (
                "Chaque rapprochement fait depuis un an, et ce qu’il a trouvé.",
                "Each reconciliation made in a year, and what it found.",
            ),
        ),
        _stop(
            "/steward/datasets/lyon-presence-hour",
            ("La promesse tenue", "The promise kept"),
            (
                "Le budget de confidentialité, publication par publication, et ce que le contrôle a tenté avant de diffuser.",
                "The privacy budget, release by release, and what the gate tried before publishing.",
            ),
        ),
        _stop(
            "/transparency",
            ("Le journal public", "The public log"),
            (
                "Des témoins signent ce que nous avons publié ; recalculez une preuve sans nous.",
                "Witnesses sign what we published; compute a proof again without us.",
            ),
        ),
        _stop(
            "/staff/compliance",
            ("Le dossier de conformité", "The compliance file"),
            (
                "Registre, durées de conservation, incidents : à emporter en un fichier.",
                "Register, retention, incidents: in one file to download.",
            ),
        ),
    ),
)
TOURS: Final[Mapping[str, Tour]] = MappingProxyType(
    {"partner": PARTNER, "subscriber": SUBSCRIBER, "steward": STEWARD, "finance": FINANCE, "auditor": AUDITOR}
)
"""By the word in the address, in the order of the page."""
