"""A command that Stripe refused, and that nobody has given up."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind

KIND: Final = ExceptionKind(
    code="command_failed",
    sentence_fr="Stripe a refusé notre demande : %(detail)s",
    sentence_en="Stripe refused what we asked: %(detail)s",
    advice_fr="Redemandez ou abandonnez, depuis la page de ce qui est bloqué.",
    advice_en="Ask again or give up, on the page of what is stuck.",
    sql="""SELECT coalesce(error, '') AS detail, command.id::text AS subject,
                  coalesce(purchase_order.number, command.subject::text) AS reference, '/finance/orders/' || purchase_order.id AS path,
                  NULL::bigint AS amount_minor, command.created_at AS at
           FROM stripe_command AS command LEFT JOIN purchase_order ON purchase_order.id = command.subject
           WHERE command.state = 'failed' AND command.settled_at IS NULL""",
    write_off=ACKNOWLEDGED,
)
