"""A purchase could not be put into a partner's own bucket at the first attempt."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="bucket_failing",
    subject=Words(fr="Un fichier n’a pas pu être déposé", en="A file could not be put into your bucket"),
    body=Words(
        fr="La commande {order} n’a pas pu être déposée dans {bucket} : {answer}. Nous réessayons pendant trois jours.",
        en="Order {order} could not be put into {bucket}: {answer}. We try again for three days.",
    ),
    path="/bucket",
    readers="partner",
)
