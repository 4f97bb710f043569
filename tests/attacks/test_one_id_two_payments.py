"""The id of a form is the payer's to choose: the id of a deposit, given to an order, must not let the deposit pay it."""

import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.money.payments.actions import request_charge, request_deposit, request_payment
from marketplace.money.payments.rules import Line
from tests.people.builders import make_partner
from tests.support.reads import fetch


async def test_an_id_that_asked_for_one_payment_asks_for_no_other() -> None:
    partner, subject = await make_partner(), uuid.uuid4()
    page = {
        "email": "claire@atelier.example",
        "success_url": "https://partage.example/a",
        "cancel_url": "https://partage.example/b",
        "locale": "en",
        "expires_at": clock.now() + dt.timedelta(hours=1),
    }
    deposit = await request_deposit(subject, partner, amount_minor=1500, text="Deposit", **page)
    assert await request_deposit(subject, partner, amount_minor=1500, text="Deposit", **page) == deposit
    with pytest.raises(Conflict):
        await request_payment(subject, amount_minor=33_000, lines=[Line("Licence", 33_000)], **page)
    with pytest.raises(Conflict):
        await request_payment(subject, amount_minor=1500, lines=[Line("Licence", 1500)], **page)
    with pytest.raises(Conflict):
        await request_charge(subject, partner, amount_minor=1500, lines=[Line("Licence", 1500)], **page)
    assert len(await fetch("SELECT 1 FROM payment")) == 1
