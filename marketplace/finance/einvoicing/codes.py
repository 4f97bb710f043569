"""The codes of an invoice's life (AFNOR XP Z12-012, CDAR messages), and the reasons of a rejection, in words.

Source: the published code lists MDT-105 and MDT-113 of the French life-cycle messages.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words

DEPOSITED, REFUSED, PAYMENT_RECEIVED, REJECTED, INADMISSIBLE = 200, 210, 212, 213, 501
FAILED: Final = (REJECTED, INADMISSIBLE)
STATUSES: Final = {
    200: Words("Deposited"),
    201: Words("Issued by the platform"),
    202: Words("Received by the buyer’s platform"),
    203: Words("Made available"),
    204: Words("Taken in charge"),
    205: Words("Approved"),
    206: Words("Approved in part"),
    207: Words("Disputed"),
    208: Words("Suspended"),
    209: Words("Completed"),
    210: Words("Refused"),
    211: Words("Payment sent"),
    212: Words("Payment received"),
    213: Words("Invoice rejected"),
    220: Words("Invoice cancelled"),
    221: Words("Routing error"),
    501: Words("Inadmissible"),
}
REASONS: Final = {
    "ADR_ERR": Words("the electronic address is wrong"),
    "AUTRE": Words("another reason"),
    "CALCUL_ERR": Words("a sum is wrong"),
    "CMD_ERR": Words("the order’s number is missing or wrong"),
    "CONTRAT_TERM": Words("the contract has ended"),
    "DEST_ERR": Words("it is not for this recipient"),
    "DEST_INC": Words("the recipient is not known"),
    "DOUBLE_FACT": Words("it was invoiced before"),
    "DOUBLON": Words("this number was received before"),
    "EMMET_INC": Words("the sender is not known"),
    "LIVR_INCOMP": Words("the delivery is incomplete"),
    "MONTANTTOTAL_ERR": Words("the total is wrong"),
    "NON_CONFORME": Words("a mention that the law wants is missing"),
    "PU_ERR": Words("the price is wrong"),
    "QUALITE_ERR": Words("the quality is not what was agreed"),
    "REF_CT_ABSENT": Words("the contract’s reference is missing"),
    "REF_ERR": Words("a reference is wrong"),
    "REJ_ADR": Words("a check of the address failed"),
    "REJ_COH": Words("a check of consistency failed"),
    "REJ_SEMAN": Words("a check of the content failed"),
    "REJ_UNI": Words("a check of uniqueness failed"),
    "SIRET_ERR": Words("the SIRET number is wrong"),
    "TRANSAC_INC": Words("the transaction is not known"),
    "TX_TVA_ERR": Words("the VAT rate is wrong"),
}


def is_progress(code: int, before: int | None) -> bool:
    """Return whether a status is later in an invoice's life than the one before; messages may come in any order."""
    return before is None or code in (*FAILED, REFUSED) or (before not in (*FAILED, REFUSED) and code > before)
