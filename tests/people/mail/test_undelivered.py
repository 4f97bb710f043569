"""What mail cannot deliver: reports of letters that came back are noted, and what is owed is printed once."""

import csv
import io
import uuid
from pathlib import Path

import pytest

from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.people.identity import actions as identity
from marketplace.people.mail import actions as mail
from marketplace.people.mail.bounces import read_bounce
from marketplace.people.mail.printing import print_letters
from marketplace.people.message_kinds import FACTORS_CHANGED
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.subscribers.message_kinds import BANK_DETAILS_CHANGED, PAYOUT_SENT
from tests.people.builders import PASSWORD, make_known_partner, open_post_office
from tests.support.reads import fetch_value

REPORT = """From: MAILER-DAEMON@relay.example
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; claire@atelier.example
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: text/rfc822-headers

Message-ID: <{letter}@operator.example>
Subject: Votre entreprise peut acheter
--b--
"""


@pytest.mark.usefixtures("database_url")
async def test_a_report_ends_its_letter_and_the_address_is_asked_no_more() -> None:
    partner = await make_known_partner()
    await identity.vet_partner(partner, "a steward")
    with open_post_office() as office:
        await mail.send_mail()
        letter = await fetch_value("SELECT id FROM letter")
        delayed = REPORT.format(to="bounces@operator.example", action="delayed", letter=letter)
        assert read_bounce(delayed.encode()) is None
        for to in ("bounces@operator.example", f"bounces+{letter.hex}@operator.example"):
            bounce = read_bounce(REPORT.format(to=to, action="failed", letter=letter).encode())
            assert bounce
            assert (bounce.letter, bounce.code) == (letter, 550)
        assert bounce
        assert await mail.note_bounce(bounce.letter, bounce.code, bounce.text)
        assert not await mail.note_bounce(bounce.letter, bounce.code, bounce.text)
        assert not await mail.note_bounce(uuid.uuid4(), 550, "5.1.1")
        assert await fetch_value("SELECT ended FROM letter") == "bounced"
        await identity.refuse_partner(partner, "No such company.")
        await mail.send_mail()
        assert len(office.letters) == 1
        async with transaction():
            await send(FACTORS_CHANGED, "1", [Recipient("partner", str(partner))], at=clock.now().isoformat())
        await mail.send_mail()
        assert len(office.letters) == 2, "a report, which can be forged, stops no letter about somebody's safety"
    assert read_bounce(b"\xff no report") is None


def test_what_strangers_write_to_where_reports_go_is_passed_over() -> None:
    """One such letter must not keep the reports after it from being read."""
    forged = REPORT.format(to="bounces@operator.example", action="failed", letter="-" * 36)
    assert read_bounce(forged.encode()) is None
    parts = (f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(2000))
    assert read_bounce("".join(parts).encode()) is None


@pytest.mark.usefixtures("database_url")
async def test_what_is_owed_by_post_is_printed_once_in_the_language_of_who_gets_it(tmp_path: Path) -> None:
    await identity.add_subscribers([8])
    [(_, code)] = await identity.issue_activation_codes([8])
    await identity.claim_line(8, code, email="b@elsewhere.example", name="B", password=PASSWORD, language="en")
    async with transaction():
        await send(BANK_DETAILS_CHANGED, 1, [Recipient("line", "7"), Recipient("line", "8")])
        await send(PAYOUT_SENT, 1, [Recipient("line", "7")])
    await mail.send_mail()
    assert await print_letters(tmp_path / "letters.csv") == 2
    text = (tmp_path / "letters.csv").read_text()
    nobody, somebody = sorted(csv.DictReader(io.StringIO(text)), key=lambda row: row["id"])
    assert (nobody["recipient"], nobody["id"], nobody["language"]) == ("line", "7", "fr"), "behind it is nobody yet"
    assert "Vos coordonnées bancaires ont changé" in nobody["subject"]
    assert (somebody["id"], somebody["language"]) == ("8", "en")
    assert "bank details" in somebody["subject"]
    assert "/en/" in somebody["address"]
    assert await print_letters(tmp_path / "again.csv") == 0
    with pytest.raises(FileExistsError):
        await print_letters(tmp_path / "again.csv")
