"""The compliance pack: record of processing and a draft of the impact assessment, from the system's own data.

It uses the activities, the tables' declarations, the present purposes and datasets, and the settings. Nothing is
written twice, so nothing in it can be out of date. What only the operator knows is marked as missing.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from marketplace.consent.purposes.queries import list_purposes
from marketplace.core import clock
from marketplace.core.database import fetch_rows
from marketplace.core.settings import settings
from marketplace.core.web.i18n import LANGUAGES, language
from marketplace.core.web.pages import engine
from marketplace.oversight.rights.activities import ACTIVITIES
from marketplace.oversight.rights.queries import SQL
from marketplace.oversight.rights.recipients import RECIPIENTS
from marketplace.oversight.rights.retention import list_kinds_of_data
from marketplace.oversight.rights.risks import RISKS

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.oversight.rights.retention import KindOfData

DOCUMENTS: Final = ("record", "impact")


class DatasetLoss(Struct, frozen=True):
    """A dataset, the privacy loss of one release, and how many releases it has."""

    code: str
    title_fr: str
    title_en: str
    purpose: str
    area: str
    unit: str
    mechanism: str
    epsilon_micro: int
    delta_exponent: int
    releases: int


async def gather() -> dict[str, Any]:
    """Return all facts of the documents by their names in the templates."""
    return {
        "kinds": await list_kinds_of_data(),
        "purposes": [purpose for purpose in await list_purposes() if purpose.notice],
        "datasets": await fetch_rows(DatasetLoss, SQL["list_datasets_counted"]),
        "recipients": RECIPIENTS,
        "risks": RISKS,
        "made_at": clock.now(),
        "chosen": settings(),
    }


async def make_pack() -> bytes:
    """Return the pack: each document in each language as a page to print, and all facts as JSON, in a zip."""
    facts = await gather()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
        for spoken in LANGUAGES:
            token = language.set(spoken)
            try:
                for name in DOCUMENTS:
                    page = engine().engine.get_template("rights/pack.html").render(**facts, document=name)
                    whole.writestr(f"{name}.{spoken}.html", page)
            finally:
                language.reset(token)
        whole.writestr("pack.json", msgspec.json.format(msgspec.json.encode(as_facts(facts)), indent=2))
    return file.getvalue()


def as_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts for programs."""
    kinds: list[KindOfData] = facts["kinds"]
    made_at: dt.datetime = facts["made_at"]
    return {
        "made_at": made_at,
        "controller": settings().seller_name,
        "data_protection_officer": settings().dpo_contact or None,
        "activities": [
            {
                "code": kind.activity.code,
                "title": kind.activity.title,
                "purpose": kind.activity.purpose,
                "legal_basis": kind.activity.basis,
                "people": sorted({of.value for table in kind.tables for of in table.declared.of}),
                "recipients": kind.activity.recipients,
                "data": [
                    {
                        "table": table.name,
                        "of": [of.value for of in table.declared.of],
                        "kept": table.declared.kept,
                        "days": table.declared.ends.days if table.declared.ends else None,
                        "erasure": table.declared.erasure.value,
                        "in_copy": table.declared.exported,
                    }
                    for table in kind.tables
                ],
            }
            for kind in kinds
        ],
        "recipients": [
            {"code": one.code, "title": one.title, "named": one.named(settings()) or None, "place": one.place}
            for one in RECIPIENTS.values()
        ],
        "purposes": facts["purposes"],
        "datasets": facts["datasets"],
        "risks": RISKS,
    }


assert {code for one in ACTIVITIES for code in one.recipients} <= RECIPIENTS.keys(), "recipients are registered"
