"""A payout was not made because the name on the account is another, as the bank says."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="payee_differs",
    subject=Words(fr="Le nom ne correspond pas à votre compte", en="The name does not fit your account"),
    body=Words(
        fr="Votre versement n’est pas parti : selon la banque, le titulaire de ce compte porte un autre nom que celui que vous avez écrit. La somme reste sur votre solde. Écrivez le nom exactement comme sur vos relevés, ou donnez un autre compte.",
        en="Your payout was not sent: the bank says that the account’s holder has another name than the one you wrote. The amount stays in your balance. Write the name exactly as on your statements, or give another account.",
    ),
    path="/earnings/bank-details",
    by_post=True,
    readers="subscriber",
)
