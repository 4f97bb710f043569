"""The compliance pack is made of what the system runs on; a breach, or its drill, has a plan, a clock and people who decide."""

import datetime as dt
import io
import json
import uuid
import zipfile

from marketplace.core import clock
from marketplace.oversight.rights.declarations import declared, list_tables, name_of
from marketplace.oversight.rights.plan import CLOSE, STEPS
from tests.people.builders import PASSWORD, Browser, add_staff, kinds_written, page_text
from tests.subscribers.builders import sales
from tests.support.reads import fetch


async def test_the_pack_says_what_the_system_does() -> None:
    await sales.write_lines()
    await add_staff("sam@partage.example", "Sam", "auditor", PASSWORD)
    async with Browser() as sam:
        await sam.sign_in("sam@partage.example")
        page = await sam.get("/fr/staff/compliance")
        assert page.status_code == 200
        assert "Registre des traitements" in page.text
        answer = await sam.get("/fr/staff/compliance/pack")
        assert (await sam.get("/fr/staff/incidents")).status_code == 200
    whole = zipfile.ZipFile(io.BytesIO(answer.content))
    assert sorted(whole.namelist()) == [
        "impact.en.html",
        "impact.fr.html",
        "pack.json",
        "record.en.html",
        "record.fr.html",
    ]
    facts = json.loads(whole.read("pack.json"))
    tables = {row["table"] for activity in facts["activities"] for row in activity["data"]}
    assert tables == {name_of(table) for table in list_tables() if declared(table).of}
    assert [row["code"] for row in facts["datasets"]] == ["lyon"]
    record, impact = (whole.read(f"{name}.fr.html").decode() for name in ("record", "impact"))
    assert "à compléter" in record, "no data-protection officer is named"
    assert all(name in record for name in tables)
    assert "Lyon heure par heure" in impact
    assert "Présence" in impact
    assert "Presence" in whole.read("impact.en.html").decode()


async def test_a_drill_goes_through_the_plan() -> None:
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    incident = str(uuid.uuid4())
    async with Browser() as samir:
        await samir.sign_in("samir@partage.example")
        short = await samir.submit("/en/staff/incidents", {"title": "-0", "hours": "1"})
        assert (short.status_code, "Say in some words what happened." in page_text(short)) == (422, True)
        fields = {"title": "A laptop is lost", "hours": "70", "is_drill": "yes"}
        for _ in range(2):
            answer = await samir.submit("/en/staff/incidents", fields, form_id=incident)
        there = f"/en/staff/incidents/{incident}"
        assert answer.headers["location"] == there
        assert await kinds_written() == ["incident_begun"] * 3
        assert "Hours left to notify the authority 1 until" in page_text(await samir.get(there))
        early = await samir.submit(f"{there}/steps", {"step": CLOSE, "note": "all done"})
        assert early.status_code == 409
        for step in STEPS:
            answer = await samir.submit(f"{there}/steps", {"step": step, "note": f"decided: {step}"})
            assert answer.status_code == 303, step
        again = await samir.submit(f"{there}/steps", {"step": "contain", "note": "once more"})
        assert again.status_code == 409
        page = page_text(await samir.get(there))
        assert "decided: authority Samir" in page
        assert "7 / 7" in page
        with clock.shifted(dt.timedelta(minutes=9)):
            assert "closed" in page_text(await samir.get("/en/staff/incidents"))
    verbs = [row["verb"] for row in await fetch("SELECT verb FROM staff_action WHERE area = 'decision' ORDER BY id")]
    assert verbs == ["begin_incident", *["decide_incident_step"] * 7]
