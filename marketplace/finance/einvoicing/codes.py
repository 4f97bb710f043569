"""The codes of an invoice's life (AFNOR XP Z12-012, CDAR messages), and the reasons of a rejection, in words.

Source: the published code lists MDT-105 and MDT-113 of the French life-cycle messages.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words

DEPOSITED, REFUSED, PAYMENT_RECEIVED, REJECTED, INADMISSIBLE = 200, 210, 212, 213, 501
FAILED: Final = (REJECTED, INADMISSIBLE)
STATUSES: Final = {
    200: Words(fr="Déposée", en="Deposited"),
    201: Words(fr="Émise par la plateforme", en="Issued by the platform"),
    202: Words(fr="Reçue par la plateforme de l’acheteur", en="Received by the buyer’s platform"),
    203: Words(fr="Mise à disposition", en="Made available"),
    204: Words(fr="Prise en charge", en="Taken in charge"),
    205: Words(fr="Approuvée", en="Approved"),
    206: Words(fr="Approuvée partiellement", en="Approved in part"),
    207: Words(fr="En litige", en="Disputed"),
    208: Words(fr="Suspendue", en="Suspended"),
    209: Words(fr="Complétée", en="Completed"),
    210: Words(fr="Refusée", en="Refused"),
    211: Words(fr="Paiement transmis", en="Payment sent"),
    212: Words(fr="Encaissée", en="Paid"),
    213: Words(fr="Rejetée", en="Rejected"),
    220: Words(fr="Annulée", en="Cancelled"),
    221: Words(fr="Erreur de routage", en="Routing error"),
    501: Words(fr="Irrecevable", en="Inadmissible"),
}
REASONS: Final = {
    "ADR_ERR": Words(fr="l’adresse électronique est fausse", en="the electronic address is wrong"),
    "AUTRE": Words(fr="une autre raison", en="another reason"),
    "CALCUL_ERR": Words(fr="une somme est fausse", en="a sum is wrong"),
    "CMD_ERR": Words(fr="le numéro de commande manque ou est faux", en="the order’s number is missing or wrong"),
    "CONTRAT_TERM": Words(fr="le contrat a pris fin", en="the contract has ended"),
    "DEST_ERR": Words(fr="ce n’est pas le bon destinataire", en="it is not for this recipient"),
    "DEST_INC": Words(fr="le destinataire est inconnu", en="the recipient is not known"),
    "DOUBLE_FACT": Words(fr="elle a déjà été facturée", en="it was invoiced before"),
    "DOUBLON": Words(fr="ce numéro a déjà été reçu", en="this number was received before"),
    "EMMET_INC": Words(fr="l’émetteur est inconnu", en="the sender is not known"),
    "LIVR_INCOMP": Words(fr="la livraison est incomplète", en="the delivery is incomplete"),
    "MONTANTTOTAL_ERR": Words(fr="le montant total est faux", en="the total is wrong"),
    "NON_CONFORME": Words(fr="une mention obligatoire manque", en="a mention that the law wants is missing"),
    "PU_ERR": Words(fr="le prix est faux", en="the price is wrong"),
    "QUALITE_ERR": Words(fr="la qualité ne convient pas", en="the quality is not what was agreed"),
    "REF_CT_ABSENT": Words(fr="la référence du contrat manque", en="the contract’s reference is missing"),
    "REF_ERR": Words(fr="une référence est fausse", en="a reference is wrong"),
    "REJ_ADR": Words(fr="un contrôle de l’adresse a échoué", en="a check of the address failed"),
    "REJ_COH": Words(fr="un contrôle de cohérence a échoué", en="a check of consistency failed"),
    "REJ_SEMAN": Words(fr="un contrôle du contenu a échoué", en="a check of the content failed"),
    "REJ_UNI": Words(fr="un contrôle d’unicité a échoué", en="a check of uniqueness failed"),
    "SIRET_ERR": Words(fr="le numéro SIRET est faux", en="the SIRET number is wrong"),
    "TRANSAC_INC": Words(fr="l’opération est inconnue", en="the transaction is not known"),
    "TX_TVA_ERR": Words(fr="le taux de TVA est faux", en="the VAT rate is wrong"),
}


def is_progress(code: int, before: int | None) -> bool:
    """Return whether a status is later in an invoice's life than the one before; messages may come in any order."""
    return before is None or code in (*FAILED, REFUSED) or (before not in (*FAILED, REFUSED) and code > before)
