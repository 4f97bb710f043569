"""The kinds of messages of this district, about files, buckets and webhooks."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

LICENCE_ENDING: Final = MessageKind(
    "licence_ending",
    "/orders/{id}",
    subject=Words(fr="Une de vos licences se termine bientôt", en="One of your licences ends soon"),
    fr="La licence de votre commande {order} se termine dans moins de trente jours.",
    en="The licence of your order {order} ends in less than thirty days.",
    readers="partner",
    may_stop=Words(fr="Fin prochaine d’une licence", en="A licence is about to end"),
)
DELETION_DUE: Final = MessageKind(
    "deletion_due",
    "/orders/{id}",
    subject=Words(fr="Confirmez la suppression de vos copies", en="Confirm that your copies are deleted"),
    fr="La publication de votre commande {order} a été rappelée. Supprimez vos copies, puis confirmez-le sur la page de la commande.",
    en="The release of your order {order} was called back. Delete your copies, then confirm it on the order’s page.",
    readers="partner",
)
DELETION_MISSING: Final = MessageKind(
    "deletion_missing",
    "/staff/deletions",
    subject=Words(fr="Une suppression n’est pas confirmée", en="A deletion is not confirmed"),
    fr="{company} n’a pas confirmé la suppression de ses copies pour la commande {order}, malgré plusieurs relances.",
    en="{company} did not confirm that it deleted its copies of order {order}, although it was reminded several times.",
    readers="steward",
)
BUCKET_FAILING: Final = MessageKind(
    "bucket_failing",
    "/bucket",
    subject=Words(fr="Un fichier n’a pas pu être déposé", en="A file could not be put into your bucket"),
    fr="La commande {order} n’a pas pu être déposée dans {bucket} : {answer}. Nous réessayons pendant trois jours.",
    en="Order {order} could not be put into {bucket}: {answer}. We try again for three days.",
    readers="partner",
)
BUCKET_DISABLED: Final = MessageKind(
    "bucket_disabled",
    "/bucket",
    subject=Words(fr="Votre dépôt est désactivé", en="Your bucket is disabled"),
    fr="{bucket} n’a rien accepté pendant trois jours : plus rien n’y est déposé, et ses identifiants sont oubliés. Ajoutez-le de nouveau quand il répond ; ce qui a manqué reste à télécharger sur la page de chaque commande.",
    en="{bucket} took nothing for three days: nothing more is put there, and its credentials are forgotten. Add it again once it answers; what it missed can be downloaded on each order’s page.",
    readers="partner",
)
BUCKET_LEFT: Final = MessageKind(
    "bucket_left",
    "/bucket",
    subject=Words(fr="Votre dépôt est retiré", en="Your bucket is removed"),
    fr="La personne qui avait ajouté {bucket} a quitté votre entreprise : plus rien n’y est déposé, et ses identifiants sont oubliés. S’il est toujours à vous, ajoutez-le de nouveau.",
    en="The person who added {bucket} has left your company: nothing more is put there, and its credentials are forgotten. If it is still yours, add it again.",
    readers="partner",
)
"""Written by `delivery/outgoing/functions.sql`."""
WEBHOOK_DISABLED: Final = MessageKind(
    "webhook_disabled",
    "/notifications",
    subject=Words(fr="Une adresse de notification est désactivée", en="An address for notifications is disabled"),
    fr="L’adresse {url} n’existe plus ou n’a pas répondu pendant trois jours : plus rien n’y est envoyé. Ajoutez-la de nouveau quand elle répond ; ce qui a manqué est dans la liste des événements.",
    en="The address {url} is gone or did not answer for three days: nothing more is posted to it. Add it again once it answers; what it missed is in the list of events.",
    readers="partner",
)
WEBHOOK_LEFT: Final = MessageKind(
    "webhook_left",
    "/notifications",
    subject=Words(fr="Une adresse de notification est retirée", en="An address for notifications is removed"),
    fr="La personne qui avait ajouté l’adresse {url} a quitté votre entreprise : plus rien n’y est envoyé. Si elle est toujours à vous, ajoutez-la de nouveau ; ce qui manque est dans la liste des événements.",
    en="The person who added the address {url} has left your company: nothing more is posted to it. If it is still yours, add it again; what is missing is in the list of events.",
    readers="partner",
)
"""Written by `delivery/outgoing/functions.sql`."""
