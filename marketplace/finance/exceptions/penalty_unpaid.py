"""What a winner who did not pay still owes, a month on. The books hold none of it until it is received."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind

LATE_AFTER: Final = "30 days"

KIND: Final = ExceptionKind(
    code="penalty_unpaid",
    sentence_fr="Un partenaire n’a pas payé ce que son enchère impayée lui coûte.",
    sentence_en="A partner has not paid what its unpaid award costs it.",
    advice_fr="Relancez le partenaire ; il ne peut plus enchérir tant qu’il doit. À deux, vous pouvez y renoncer.",
    advice_en="Call the partner, which may not bid while it owes. Two people may give it up.",
    sql=f"""SELECT '' AS detail, owed.id::text AS subject, partner.company AS reference, '/finance/penalties' AS path,
                  owed.owed_minor - received_for_default(owed.partner, owed.auction) AS amount_minor, owed.decided_at AS at
           FROM auction_default AS owed JOIN partner ON partner.id = owed.partner
           WHERE owed.settled_at IS NULL AND owed.owed_minor > received_for_default(owed.partner, owed.auction)
             AND owed.decided_at < $2::timestamptz - interval '{LATE_AFTER}'""",
    write_off=ACKNOWLEDGED,
    blocks_close=False,
)
