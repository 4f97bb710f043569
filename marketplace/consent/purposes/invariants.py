"""What must always be true of consent: a sentence, and the SQL that names the offenders."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant

CONSENT: Final = (
    Invariant(
        "a word on consent is about the notice of its own purpose, published by then",
        """SELECT consent_record.id AS record, consent_record.purpose, notice.purpose AS notice_purpose
           FROM consent_record JOIN notice ON notice.id = consent_record.notice
           WHERE notice.purpose <> consent_record.purpose OR notice.published_at > consent_record.at""",
    ),
)
