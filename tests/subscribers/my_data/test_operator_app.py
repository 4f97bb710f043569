"""The operator's app does for a person what their own pages do, with its channel on the receipt and a message to them."""

import uuid
from typing import Any

from marketplace.consent.purposes.in_force import consent_in_force
from marketplace.consent.purposes.queries import get_receipt
from marketplace.consent.switches.rules import PRESETS, read
from marketplace.core.clock import now
from tests.consent.builders import PURPOSE
from tests.people.builders import kinds_written
from tests.subscribers.builders.operators import API, put_as_shop, system

CHOSEN: dict[str, Any] = {"reference": 7, "purpose": PURPOSE, "notice_version": 1, "channel": "call_centre"}


async def test_an_app_chooses_pauses_deletes_and_shows() -> None:
    app, request = await system(), uuid.uuid4()
    listed = (await app.get(f"{API}/switches")).json()
    scope = listed["presets"]["not_at_home"]["scope"]
    for _ in range(2):
        answer = await put_as_shop(app, f"choices/{request}", CHOSEN | {"scope": scope})
        assert answer.status_code == 200, answer.text
    receipt = await get_receipt(uuid.UUID(answer.json()["receipt"]))
    assert (receipt.channel, read(receipt.covers or "")) == ("call_centre", PRESETS["not_at_home"][1])
    assert answer.json()["jwt"].count(".") == 2
    assert (await kinds_written()).count("consent_changed_elsewhere") == 1
    shown = (await app.get(f"{API}/uses/7")).json()
    assert (shown["location_use_is_on"], shown["choices"][PURPOSE]["scope"]["home"]) == (True, False)
    for word, purposes, paused in (("pause", 1, True), ("pause", 0, True), ("resume", 1, False), ("resume", 0, False)):
        answer = await put_as_shop(app, f"pauses/{uuid.uuid4()}", {"reference": 7, "word": word})
        assert answer.json() == {"purposes": purposes, "is_paused": paused}
    days = {"reference": 7, "first_day": "2026-05-03", "last_day": "2026-05-09"}
    assert (await put_as_shop(app, f"deletions/{uuid.uuid4()}", days)).json() == {"past_releases": []}
    wrong = await put_as_shop(app, f"deletions/{uuid.uuid4()}", days | {"last_day": "2026-05-01"})
    assert wrong.status_code == 409
    assert (
        await put_as_shop(app, f"choices/{uuid.uuid4()}", CHOSEN | {"scope": {"sources": ["spying"]}})
    ).status_code == 409
    assert (await put_as_shop(app, f"choices/{uuid.uuid4()}", CHOSEN | {"scope": {"spying": True}})).status_code == 400


async def test_a_child_is_never_counted_and_a_contract_does_not_speak_for_who_carries_a_line() -> None:
    app = await system()
    given = CHOSEN | {"word": "given"}
    assert (await put_as_shop(app, f"consents/{uuid.uuid4()}", given)).status_code == 200
    assert len((await consent_in_force(PURPOSE, now())).lines) == 1
    for kind, contract, shop in (("child", 409, 409), ("business", 409, 200), ("shared", 409, 200), (None, 200, 200)):
        stated = await put_as_shop(app, f"kinds/{uuid.uuid4()}", {"reference": 7, "kind": kind})
        assert stated.json()["kind"] == kind
        for channel, status in (("contract", contract), ("shop", shop)):
            answer = await put_as_shop(app, f"consents/{uuid.uuid4()}", given | {"channel": channel})
            assert answer.status_code == status, (kind, channel)
        assert len((await consent_in_force(PURPOSE, now())).lines) == (kind != "child")
    assert (await put_as_shop(app, f"kinds/{uuid.uuid4()}", {"reference": 99, "kind": "child"})).status_code == 404
    assert (await put_as_shop(app, f"kinds/{uuid.uuid4()}", {"reference": 7, "kind": "cat"})).status_code == 400
