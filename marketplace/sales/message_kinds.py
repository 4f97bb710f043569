"""The messages of this district, about orders, subscriptions and auctions."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

INVOICE_ISSUED: Final = MessageKind(
    "invoice_issued",
    "/orders/{id}",
    subject=Words(fr="Votre facture est disponible", en="Your invoice is ready"),
    fr="La facture de votre commande {order} est disponible sur la page de la commande.",
    en="The invoice of your order {order} is on the order’s page.",
    readers="partner",
    by_post=True,
)
INVOICE_CORRECTED: Final = MessageKind(
    "invoice_corrected",
    "/orders/{id}",
    subject=Words(fr="Votre facture est corrigée", en="Your invoice is corrected"),
    fr="La facture de votre commande {order} a été annulée par un avoir et refaite sous un nouveau numéro. Vous n’avez rien à payer, et votre accès ne change pas.",
    en="The invoice of your order {order} was cancelled by a credit note and issued anew under another number. There is nothing to pay, and your access does not change.",
    readers="partner",
    by_post=True,
)
REFUNDED: Final = MessageKind(
    "refunded",
    "/orders/{id}",
    subject=Words(fr="Votre commande est remboursée", en="Your order is refunded"),
    fr="Votre commande {order} est remboursée, en tout ou en partie. L’avoir est sur la page de la commande.",
    en="Your order {order} is refunded, in whole or in part. The credit note is on the order’s page.",
    readers="partner",
    by_post=True,
)
PAID_TWICE: Final = MessageKind(
    "paid_twice",
    "/orders/{id}",
    subject=Words(fr="Un second paiement vous est rendu", en="A second payment goes back to you"),
    fr="Vous aviez déjà payé ces données par la commande {first} : notre service financier vous rend le paiement de {order}. Vous n’avez rien à faire.",
    en="You had paid for this data already with order {first}: our finance staff give you back the payment of {order}. You need not do anything.",
    readers="partner",
    by_post=True,
)
CLAIM_FILED: Final = MessageKind(
    "claim_filed",
    "/staff/claims",
    subject=Words(fr="Une réclamation porte sur la commande {number}", en="A claim about order {number}"),
    fr="Un partenaire signale un défaut de ce qu’il a acheté. Les parts de cette vente attendent : une personne propose une décision, une autre l’approuve.",
    en="A partner says that something is wrong with what it bought. The shares of that sale wait: one person proposes a decision, another agrees.",
    readers="finance",
    may_stop=Words(fr="Réclamation à traiter", en="Claim to decide"),
)
CLAIM_ANSWERED: Final = MessageKind(
    "claim_answered",
    "/orders/{id}/claim",
    subject=Words(
        fr="Votre réclamation sur la commande {number} a sa réponse", en="Your claim about order {number} is answered"
    ),
    fr="Deux personnes ont tranché ; leur réponse est sur la page de la réclamation. Si de l’argent vous est rendu, il est en route.",
    en="Two people decided; their answer is on the claim’s page. If money is given back, it is on its way.",
    readers="partner",
)
PRIVATE_OFFER_MADE: Final = MessageKind(
    "private_offer_made",
    "/private-offers",
    subject=Words(
        fr="Une offre pour votre seule entreprise : {dataset}", en="An offer to your company alone: {dataset}"
    ),
    fr="Nous vous proposons ce jeu de données à un prix réservé à votre entreprise. La page de vos offres dit jusqu’à quand.",
    en="We offer you this dataset at a price for your company alone. The page of your offers says until when.",
    readers="partner",
)
SUBSCRIPTION_PAUSED: Final = MessageKind(
    "subscription_paused",
    "/subscriptions/{id}",
    subject=Words(fr="Votre abonnement à {dataset} est suspendu", en="Your subscription to {dataset} is paused"),
    fr="Une publication de votre abonnement n’a pas pu être payée. Enregistrez un autre moyen de paiement, puis reprenez l’abonnement.",
    en="A release of your subscription could not be paid. Save another payment method, then go on with it.",
    readers="partner",
)
SUBSCRIPTION_ENDED: Final = MessageKind(
    "subscription_ended",
    "/subscriptions/{id}",
    subject=Words(fr="Votre abonnement à {dataset} est complet", en="Your subscription to {dataset} is complete"),
    fr="Toutes les publications de votre abonnement sont commandées. Renouvelez-le, au prix du jour, pour recevoir les suivantes.",
    en="All releases of your subscription are ordered. Renew it, at the price of the day, to have the next ones.",
    readers="partner",
)
SERVICE_CREDITED_LATE: Final = MessageKind(
    "service_credited_late",
    "/orders/{id}",
    subject=Words(fr="Un avoir sur votre commande {number}", en="A credit on your order {number}"),
    fr="Une publication de votre abonnement est venue trop tard ; jours de retard : {days}. Une part de son prix vous est rendue, avec son avoir.",
    en="A release of your subscription came too late; days after the last one promised: {days}. A part of its price goes back to you, with its credit note.",
    readers="partner",
)
SERVICE_CREDITED_SHORT: Final = MessageKind(
    "service_credited_short",
    "/orders/{id}",
    subject=Words(fr="Un avoir sur votre commande {number}", en="A credit on your order {number}"),
    fr="Une publication de votre abonnement couvre moins de monde que promis : {covered_micro} des lignes consentent, {sold_micro} étaient vendus. Une part de son prix vous est rendue, avec son avoir.",
    en="A release of your subscription covers fewer people than promised: {covered_micro} of the lines consent, {sold_micro} were sold. A part of its price goes back to you, with its credit note.",
    readers="partner",
)
SERVICE_CREDITED_TWICE: Final = MessageKind(
    "service_credited_twice",
    "/orders/{id}",
    subject=Words(fr="Un avoir sur votre commande {number}", en="A credit on your order {number}"),
    fr="Une publication de votre abonnement est venue trop tard (jours de retard : {days}) et couvre moins de monde que promis : {covered_micro} des lignes consentent, {sold_micro} étaient vendus. Une part de son prix vous est rendue, avec son avoir.",
    en="A release of your subscription came too late (days after the last one promised: {days}) and covers fewer people than promised: {covered_micro} of the lines consent, {sold_micro} were sold. A part of its price goes back to you, with its credit note.",
    readers="partner",
)
NEW_RELEASE: Final = MessageKind(
    "new_release",
    "/datasets/{dataset}",
    subject=Words(fr="Une nouvelle publication est en vente", en="A new release is on sale"),
    fr="Un jeu de données que vous avez acheté a une publication plus récente.",
    en="A dataset that you bought has a newer release.",
    readers="partner",
    may_stop=Words(fr="Nouvelle publication", en="New release"),
)
"""Written by `sales/subscriptions/functions.sql`."""
RELEASE_REVISED: Final = MessageKind(
    "release_revised",
    "/datasets/{dataset}",
    subject=Words(fr="Une publication que vous avez est révisée", en="A release that you have is revised"),
    fr="La période que vous avez achetée a une révision plus récente, que montre la page du jeu de données.",
    en="The period that you bought has a later revision, which the dataset’s page shows.",
    readers="partner",
    may_stop=Words(fr="Révision", en="Revision"),
)
"""Written by `sales/subscriptions/functions.sql`."""
RELEASE_RECALLED: Final = MessageKind(
    "release_recalled",
    "/orders/{id}",
    subject=Words(
        fr="Une publication que vous avez achetée est rappelée", en="A release that you bought was called back"
    ),
    fr="La publication de votre commande {order} est rappelée : cessez de l’utiliser. La raison et ce que vous pouvez demander sont sur la page de la commande.",
    en="The release of your order {order} was called back: stop using it. The reason, and what you can ask for, are on the order’s page.",
    readers="partner",
    by_post=True,
)
"""Written by `sales/orders/functions.sql`."""
OUTBID: Final = MessageKind(
    "outbid",
    "/auctions/{auction}",
    subject=Words(fr="Votre enchère est dépassée", en="You are outbid"),
    fr="Une autre offre est en tête de l’enchère que vous meniez. Vous pouvez enchérir jusqu’à sa clôture.",
    en="Another bid leads the auction that you led. You can bid until it closes.",
    readers="partner",
    may_stop=Words(fr="Enchère dépassée", en="You are outbid"),
)
"""Written by `sales/auctions/queries.sql`."""
WON: Final = MessageKind(
    "won",
    "/auctions/{auction}",
    subject=Words(fr="Vous avez remporté une enchère", en="You won an auction"),
    fr="Vous avez remporté une enchère. Le prix et la date limite de paiement sont sur sa page.",
    en="You won an auction. The price, and until when it is to be paid, are on its page.",
    readers="partner",
)
DEBT_DUE: Final = MessageKind(
    "debt_due",
    "/auctions/{auction}",
    subject=Words(fr="Une enchère remportée n’a pas été payée", en="You owe for an award that was not paid"),
    fr="Vous n’avez pas payé à temps ce que vous aviez remporté, et cela s’est vendu moins cher : vous devez la différence. Elle est prélevée sur votre moyen de paiement enregistré ; à défaut, réglez-la sur la page de l’enchère. Vous pourrez de nouveau enchérir une fois cette somme payée, et le délai prévu par l’enchère passé.",
    en="You did not pay in time what you won, and it was sold for less: you owe the difference. It is charged to your saved payment method; where that fails, pay it on the auction’s page. You may bid again once you have paid it, and once the time that the auction’s terms state is over.",
    readers="partner",
    by_post=True,
)
DEPOSIT_CAPTURED: Final = MessageKind(
    "deposit_captured",
    "/auctions/{auction}",
    subject=Words(fr="Votre dépôt est encaissé", en="Your deposit was captured"),
    fr="Vous n’avez pas payé à temps ce que vous aviez remporté : votre dépôt est encaissé, comme le prévoient les conditions de l’enchère.",
    en="You did not pay in time what you won: your deposit is captured, as the auction’s terms say.",
    readers="partner",
    by_post=True,
)
DEPOSIT_RELEASED: Final = MessageKind(
    "deposit_released",
    "/auctions/{auction}",
    subject=Words(fr="Votre dépôt est libéré", en="Your deposit is released"),
    fr="L’enchère est terminée pour vous : votre dépôt est libéré, rien n’en a été prélevé.",
    en="The auction is over for you: your deposit is released, and nothing of it was charged.",
    readers="partner",
    may_stop=Words(fr="Dépôt libéré", en="Deposit released"),
)
