"""The messages of this district, about payouts, consent and help."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

PAYOUT_SENT: Final = MessageKind(
    "payout_sent",
    "/earnings",
    subject=Words(fr="Votre versement est arrivé", en="Your payout has arrived"),
    fr="Votre part vous a été versée. Le détail est sur la page de vos gains.",
    en="Your share was paid out to you. The details are on your earnings’ page.",
    readers="subscriber",
    may_stop=Words(fr="Versement effectué", en="Payout made"),
)
PAYOUT_REFUSED: Final = MessageKind(
    "payout_refused",
    "/earnings/bank-details",
    subject=Words(fr="Votre versement n’a pas abouti", en="Your payout did not arrive"),
    fr="Votre versement a été refusé ou renvoyé : la somme est de nouveau sur votre solde. Vérifiez vos coordonnées bancaires.",
    en="Your payout was refused or returned: the amount is in your balance again. Please check your bank details.",
    readers="subscriber",
    by_post=True,
)
PAYEE_DIFFERS: Final = MessageKind(
    "payee_differs",
    "/earnings/bank-details",
    subject=Words(fr="Le nom ne correspond pas à votre compte", en="The name does not fit your account"),
    fr="Votre versement n’est pas parti : selon la banque, le titulaire de ce compte porte un autre nom que celui que vous avez écrit. La somme reste sur votre solde. Écrivez le nom exactement comme sur vos relevés, ou donnez un autre compte.",
    en="Your payout was not sent: the bank says that the account’s holder has another name than the one you wrote. The amount stays in your balance. Write the name exactly as on your statements, or give another account.",
    readers="subscriber",
    by_post=True,
)
RUN_TO_APPROVE: Final = MessageKind(
    "run_to_approve",
    "/finance/payout-runs/{run}",
    subject=Words(fr="Une campagne de versements vous attend", en="A payout run waits for you"),
    fr="Une campagne de versements est prête : une personne la relit, une autre l’approuve.",
    en="A payout run is ready: one person looks through it, another approves it.",
    readers="finance",
    may_stop=Words(fr="Campagne de versements à décider", en="Payout run to decide"),
)
BANK_DETAILS_CHANGED: Final = MessageKind(
    "bank_details_changed",
    "/earnings/bank-details",
    subject=Words(fr="Vos coordonnées bancaires ont changé", en="Your bank details changed"),
    fr="Les coordonnées bancaires de votre ligne ont été ajoutées, remplacées ou supprimées. Si ce n’est pas vous, changez votre mot de passe et écrivez-nous tout de suite.",
    en="The bank details of your line were added, replaced or removed. If that was not you, change your password and write to us at once.",
    readers="subscriber",
    by_post=True,
)
PAYOUTS_WAIT: Final = MessageKind(
    "payouts_wait",
    "/earnings/bank-details",
    subject=Words(fr="Vos versements attendent une vérification", en="Your payouts wait for a check"),
    fr="De nombreuses lignes demandent leur argent sur le même compte ou depuis le même navigateur que la vôtre. Une personne du service financier vérifie ; d’ici là, rien n’est versé sur ce compte et rien n’est perdu. Si c’est une erreur, écrivez-nous par la page d’aide.",
    en="Many lines want their money at the same account, or from the same browser, as yours. A person of finance checks it; until then nothing is paid to this account, and nothing is lost. If it is a mistake, write to us on the help page.",
    readers="subscriber",
    by_post=True,
)
PAYOUTS_GO_ON: Final = MessageKind(
    "payouts_go_on",
    "/earnings/payouts",
    subject=Words(fr="Vos versements reprennent", en="Your payouts go on"),
    fr="La vérification est terminée : votre compte peut de nouveau recevoir vos versements, dès la prochaine campagne.",
    en="The check is over: your account can receive your payouts again, from the next run on.",
    readers="subscriber",
    by_post=True,
)
CONSENT_CHANGED_ELSEWHERE: Final = MessageKind(
    "consent_changed_elsewhere",
    "/my-data",
    subject=Words(fr="Vos choix ont été changés ailleurs qu’ici", en="Your choices were changed elsewhere than here"),
    fr="Ce qui est compté de votre ligne a été changé dans l’application de l’opérateur, par son personnel ou par le lien d’un reçu ; vos reçus disent où et quand. Si ce n’est pas vous qui l’avez demandé, changez-le ici.",
    en="What is counted of your line was changed in the operator’s app, by its people or by a receipt’s link; your receipts say where and when. If you did not ask for it, change it here.",
    readers="subscriber",
)
HELP_REQUESTED: Final = MessageKind(
    "help_requested",
    "/staff/questions/{id}",
    subject=Words(fr="Question : {about}", en="Question: {about}"),
    fr="Une personne vous écrit ({about}). Sa question et l’adresse où répondre sont sur sa page.",
    en="Somebody writes to you ({about}). The question, and where to answer it, are on its page.",
    readers="steward",
)
