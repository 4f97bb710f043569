"""The messages of this district, about payouts, consent and help."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

PAYOUT_SENT: Final = MessageKind(
    "payout_sent",
    "/earnings",
    subject=Words("Your payout has arrived"),
    body=Words("Your share was paid out to you. The details are on your earnings’ page."),
    readers="subscriber",
    may_stop=Words("Payout made"),
)
PAYOUT_REFUSED: Final = MessageKind(
    "payout_refused",
    "/earnings/bank-details",
    subject=Words("Your payout did not arrive"),
    body=Words(
        "Your payout was refused or returned: the amount is in your balance again. Please check your bank details."
    ),
    readers="subscriber",
    by_post=True,
)
PAYEE_DIFFERS: Final = MessageKind(
    "payee_differs",
    "/earnings/bank-details",
    subject=Words("The name does not fit your account"),
    body=Words(
        "Your payout was not sent: the bank says that the account’s holder has another name than the one you wrote. The amount stays in your balance. Write the name exactly as on your statements, or give another account."
    ),
    readers="subscriber",
    by_post=True,
)
RUN_TO_APPROVE: Final = MessageKind(
    "run_to_approve",
    "/finance/payout-runs/{run}",
    subject=Words("A payout run waits for you"),
    body=Words("A payout run is ready: one person looks through it, another approves it."),
    readers="finance",
    may_stop=Words("Payout run to decide"),
)
BANK_DETAILS_CHANGED: Final = MessageKind(
    "bank_details_changed",
    "/earnings/bank-details",
    subject=Words("Your bank details changed"),
    body=Words(
        "The bank details of your line were added, replaced or removed. If that was not you, change your password and write to us at once."
    ),
    readers="subscriber",
    by_post=True,
)
PAYOUTS_WAIT: Final = MessageKind(
    "payouts_wait",
    "/earnings/bank-details",
    subject=Words("Your payouts wait for a check"),
    body=Words(
        "Many lines want their money at the same account, or from the same browser, as yours. A person of finance checks it; until then nothing is paid to this account, and nothing is lost. If it is a mistake, write to us on the help page."
    ),
    readers="subscriber",
    by_post=True,
)
PAYOUTS_GO_ON: Final = MessageKind(
    "payouts_go_on",
    "/earnings/payouts",
    subject=Words("Your payouts go on"),
    body=Words("The check is over: your account can receive your payouts again, from the next run on."),
    readers="subscriber",
    by_post=True,
)
CONSENT_CHANGED_ELSEWHERE: Final = MessageKind(
    "consent_changed_elsewhere",
    "/my-data",
    subject=Words("Your choices were changed elsewhere than here"),
    body=Words(
        "What is counted of your line was changed in the operator’s app, by its people or by a receipt’s link; your receipts say where and when. If you did not ask for it, change it here."
    ),
    readers="subscriber",
)
HELP_REQUESTED: Final = MessageKind(
    "help_requested",
    "/staff/questions/{id}",
    subject=Words("Question: {about}"),
    body=Words("Somebody writes to you ({about}). The question, and where to answer it, are on its page."),
    readers="steward",
)
