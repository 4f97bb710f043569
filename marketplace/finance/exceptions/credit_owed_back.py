"""A sale on credit of which more was paid than is owed after a return: it is to be transferred back."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="credit_owed_back",
    sentence_fr="Payé, puis rendu en avoir : l’argent est à virer au partenaire.",
    sentence_en="Paid and then returned: the money is to be transferred back to the partner.",
    advice_fr="Virez-le depuis la banque, puis rapprochez la ligne du relevé de cette commande.",
    advice_en="Transfer it from the bank, then match the line of the statement with this order.",
    sql="""SELECT '' AS detail, subject::text AS subject, number AS reference, '/finance/orders/' || subject AS path,
                  total_minor - returned_minor - paid_minor AS amount_minor, settled_at AS at
           FROM credit_sale WHERE total_minor - returned_minor - paid_minor < 0""",
    blocks_close=False,
)
