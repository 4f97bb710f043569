"""A scene for `tests.support.dying`: somebody pauses everything and goes on, and the process is killed on the way."""

from __future__ import annotations

import uuid
import zlib

from marketplace.consent import actions as consent
from marketplace.consent.queries import list_choices
from marketplace.identity import actions as identity
from marketplace.switches import actions as switches
from marketplace.switches.queries import find_pause
from tests.support.dying import Scene
from tests.support.reads import fetch_value

COUNTED = ("marketplace/switches/actions.py", "marketplace/consent/actions.py")


def line_of(name: str) -> int:
    return zlib.crc32(name.encode())


async def consenting(name: str) -> None:
    line = line_of(name)
    await identity.add_subscribers([line])
    for use in ("statistics", "planning"):
        code = await consent.define_purpose("presence", use, title_fr=use, title_en=use)
        await consent.publish_notice(code, text_fr="…", text_en="…", notice=uuid.uuid5(uuid.NAMESPACE_OID, use))
        await consent.give(line, code)


async def pause_and_go_on(name: str) -> None:
    line = line_of(name)
    assert len({choice.given for choice in await list_choices(line)}) == 1, "all is paused, or nothing"
    await switches.pause(line, uuid.uuid5(uuid.NAMESPACE_URL, name))
    assert len({choice.given for choice in await list_choices(line)}) == 1
    await switches.resume(line, uuid.uuid5(uuid.NAMESPACE_DNS, name))


async def on(name: str) -> None:
    await pause_and_go_on(name)
    line = line_of(name)
    assert await find_pause(line) is None
    choices = await list_choices(line)
    assert all(choice.given for choice in choices)
    assert await fetch_value("SELECT count(*) FROM consent_record WHERE subscriber = $1", line) == 6


SCENES = {"pause_and_go_on": Scene(consenting, pause_and_go_on, on, COUNTED)}
