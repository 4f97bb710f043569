"""A kind of exception as somebody would add it, in a file of its own: an unpaid order over more than a hundred euros."""

from marketplace.core.words import Words
from marketplace.finance.reconciliation.exceptions.kind import ExceptionKind, WriteOff
from marketplace.money.ledger import chart

FRENCH = {
    "The unpaid order is over more than a hundred euros: {detail} cents.": "La commande, non payée, dépasse cent euros : {detail} centimes.",
    "Call the partner.": "Appelez le partenaire.",
}
KIND = ExceptionKind(
    code="order_is_large",
    sentence=Words("The unpaid order is over more than a hundred euros: {detail} cents."),
    advice=Words("Call the partner."),
    sql="""SELECT total_minor::text AS detail, id::text AS subject, number AS reference, '/finance/orders/' || id AS path,
                  total_minor AS amount_minor, ordered_at AS at
           FROM purchase_order WHERE total_minor > 10000 AND state = 'awaiting_payment'""",
    write_off=WriteOff(chart.DISPUTES),
)
