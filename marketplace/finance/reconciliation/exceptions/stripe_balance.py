"""Exceptions of Stripe’s balance and of what is asked of Stripe."""

from __future__ import annotations

from typing import Final

from marketplace.finance.reconciliation.exceptions.kind import ACKNOWLEDGED, ExceptionKind, WriteOff
from marketplace.money.ledger import chart

KINDS: Final = (
    ExceptionKind(
        code="other_currency",
        sentence_fr="Stripe a mouvementé des %(detail)s et les comptes sont en euros : rien n’a été comptabilisé.",
        sentence_en="Stripe moved %(detail)s and the books are in euros: nothing was posted.",
        advice_fr="Demandez à Stripe pourquoi il déplace une autre devise : rien n’en peut figurer dans ces livres.",
        advice_en="Ask Stripe why it moves another currency; nothing of it can be in these books.",
        sql="""SELECT currency AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                      coalesce(net_minor - posted_minor, net_minor) AS amount_minor, created_at AS at
               FROM unequal WHERE currency <> $1""",
    ),
    ExceptionKind(
        code="unknown_category",
        sentence_fr="La catégorie Stripe « %(detail)s » n’a pas de compte au plan : rien n’a été comptabilisé.",
        sentence_en="Stripe’s category “%(detail)s” has no account in the chart: nothing was posted.",
        advice_fr="Proposez un compte pour cette catégorie sur la page « Catégories de Stripe » : dès qu’une autre personne l’approuve, le mouvement est comptabilisé.",
        advice_en="Propose an account for it on the page “Stripe’s categories”: once another person approves, it is posted.",
        sql="""SELECT CASE WHEN posted_minor IS NULL THEN category ELSE posted_minor::text END AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                      coalesce(net_minor - posted_minor, net_minor) AS amount_minor, created_at AS at
               FROM unequal WHERE currency = $1 AND category <> ALL ($3::text[])""",
    ),
    ExceptionKind(
        code="not_posted",
        sentence_fr="Un mouvement du solde Stripe (%(detail)s) n’est pas encore dans les comptes.",
        sentence_en="A movement of Stripe’s balance (%(detail)s) is not in the books yet.",
        advice_fr="La prochaine comparaison avec Stripe le passera. Si cela reste, un ingénieur doit regarder.",
        advice_en="The next comparison with Stripe posts it. If it stays, an engineer must look.",
        sql="""SELECT category AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                      net_minor AS amount_minor, created_at AS at
               FROM unequal WHERE currency = $1 AND category = ANY ($3::text[]) AND posted_minor IS NULL""",
    ),
    ExceptionKind(
        code="entry_differs",
        sentence_fr="Stripe a bougé un autre montant que son écriture, qui est de %(detail)s centimes.",
        sentence_en="Stripe moved another amount than its entry in the books, which moves %(detail)s cents.",
        advice_fr="Une écriture n’est jamais modifiée : un ingénieur doit en trouver la cause, et une extourne la corrige.",
        advice_en="An entry is never edited: an engineer must find the cause, and a reversal corrects it.",
        sql="""SELECT posted_minor::text AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                      net_minor - posted_minor AS amount_minor, created_at AS at
               FROM unequal WHERE currency = $1 AND category = ANY ($3::text[]) AND posted_minor IS NOT NULL""",
    ),
    ExceptionKind(
        code="event_failed",
        sentence_fr="Un événement n’a pas pu être traité : %(detail)s",
        sentence_en="An event could not be handled: %(detail)s",
        advice_fr="Regardez l’objet dans le tableau de bord de Stripe ; deux personnes en prennent acte.",
        advice_en="Look at the object in Stripe’s dashboard; two people acknowledge it.",
        sql="""SELECT error AS detail, id AS subject, id AS reference, NULL AS path, NULL::bigint AS amount_minor, received_at AS at
               FROM stripe_event WHERE error IS NOT NULL""",
        write_off=ACKNOWLEDGED,
    ),
    ExceptionKind(
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
    ),
    ExceptionKind(
        code="balance_differs",
        sentence_fr="Le solde de Stripe et les comptes diffèrent : %(detail)s centimes dans les comptes.",
        sentence_en="Stripe’s balance and the books differ: %(detail)s cents in the books.",
        advice_fr="Les autres écarts disent de quoi il se compose ; comparez à nouveau une fois ceux-ci réglés.",
        advice_en="The other exceptions say what it is made of; compare again once they are settled.",
        sql="""SELECT ledger_minor::text AS detail, $4::text AS subject, $4::text AS reference, '/finance/accounts/' || $4 AS path,
                      stripe_minor - ledger_minor AS amount_minor, at
               FROM (SELECT * FROM reconciliation ORDER BY id DESC LIMIT 1) AS last WHERE stripe_minor <> ledger_minor""",
        counts=False,
        after_write_offs=True,
    ),
    # What was reversed from a subscriber's account is the subscriber's, and no gain of ours.
    ExceptionKind(
        code="transfer_unasked",
        sentence_fr="Stripe a déplacé de l’argent entre nous et le compte d’un abonné, sans qu’aucun de nos versements ne l’ait demandé.",
        sentence_en="Stripe moved money between us and a subscriber’s account, and no payout of ours asked for it.",
        advice_fr="Cherchez qui l’a déplacé chez Stripe et faites-le revenir ; ce qui manque encore, deux personnes le passent en perte. Ce qui a été repris à un abonné est à lui : reprenez aussi le reste, et tout lui revient.",
        advice_en="Find out who moved it at Stripe, and have it moved back; two people may write off what stays missing. What was reversed from a subscriber’s account is the subscriber’s: reverse the rest too, and all of it returns to them.",
        sql="""SELECT '' AS detail, moved.id AS subject, moved.transfer AS reference, '/finance/transactions/' || moved.id AS path,
                      moved.amount_minor + coalesce(paid.amount_minor, 0) AS amount_minor, moved.created_at AS at
               FROM (
                   SELECT coalesce(CASE category WHEN 'transfer' THEN source_id ELSE charge_id END, id) AS transfer,
                          sum(amount_minor)::bigint AS amount_minor, (array_agg(id ORDER BY created_at, id))[1] AS id, max(created_at) AS created_at
                   FROM balance_transaction WHERE category IN ('transfer', 'transfer_reversal') AND currency = $1 GROUP BY 1
               ) AS moved
               LEFT JOIN stripe_command AS command ON command.object_id = moved.transfer AND verb = 'transfer'
               LEFT JOIN payout AS paid ON paid.id = command.id AND paid.state <> 'failed'
               WHERE moved.amount_minor + coalesce(paid.amount_minor, 0) <> 0""",
        write_off=WriteOff(chart.SUBSCRIBERS_IN_TRANSIT, losses_only=True),
    ),
)
