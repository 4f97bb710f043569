"""What a person is asked: a purpose with its notice."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from marketplace.consent.purposes import actions
from marketplace.core.database import copy_in

PURPOSE = "presence.statistics"


async def explain_purpose(at: dt.datetime, *, lines: Iterable[int] = (), **notice: Any) -> None:
    """Define the purpose of presence and publish its notice at an instant; add lines that may answer."""
    await actions.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    await actions.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.", at=at, **notice)
    await copy_in("subscriber", ["reference"], [(line,) for line in lines])
