"""The state survives kill -9 at any moment, and a seeded counterpart gives the same ids in every run."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.demo.counterpart_harness import WITHOUT_REDIRECTS, Receiver, Running, send
from tests.support.waiting import wait_until


@pytest.mark.deep
def test_everything_answered_before_a_kill_is_there_after_it(lasting: Running, receiver: Receiver) -> None:
    endpoint = lasting.client.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    session = lasting.open_session(client_reference_id="order-1")
    key: Any = {"idempotency_key": "k1"}
    intent = lasting.client.payment_intents.create(
        {"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True, **WITHOUT_REDIRECTS}, key
    )
    lasting.client.refunds.create({"payment_intent": intent.id, "amount": 100})
    lasting.control("clock", days=0.5)
    before = (lasting.total_balance(), [each.id for each in lasting.client.events.list({"limit": 100}).data])
    now = lasting.control("clock")["now"]
    lasting.kill()
    lasting.start()
    assert (lasting.total_balance(), [each.id for each in lasting.client.events.list({"limit": 100}).data]) == before
    assert lasting.control("clock")["now"] - now < 60
    replayed = lasting.client.payment_intents.create(
        {"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True, **WITHOUT_REDIRECTS}, key
    )
    assert replayed.id == intent.id
    again = lasting.client.checkout.sessions.retrieve(session.id)
    assert again.url == f"{lasting.url}/c/pay/{session.id}", "the page is where the counterpart is now"
    assert send("GET", str(again.url)).status == 200
    lasting.charge()
    receiver.wait_for(len(before[1]) + 3)
    stripe.Webhook.construct_event(*receiver.received[-1], endpoint.secret)


@pytest.mark.deep
def test_events_owed_before_a_kill_are_delivered_after_it(lasting: Running, receiver: Receiver) -> None:
    lasting.client.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    lasting.control("fault", kind="webhooks", pause=True)
    lasting.charge()
    lasting.kill()
    assert receiver.received == []
    lasting.start()
    receiver.wait_for(3)
    assert sorted(receiver.types()) == ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"]


@pytest.mark.deep
def test_a_kill_in_the_middle_of_work_leaves_whole_payments(lasting: Running) -> None:
    answered: list[str] = []

    def work() -> None:
        try:
            while True:
                answered.append(lasting.charge().id)
        except stripe.APIConnectionError:
            pass

    for _ in range(3):
        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        enough = len(answered) + 5
        wait_until(lambda least=enough: len(answered) >= least)  # type: ignore[misc]
        lasting.kill()
        for worker in workers:
            worker.join()
        lasting.start()
    intents = {each.id: each for each in lasting.client.payment_intents.list({"limit": 100}).auto_paging_iter()}
    assert set(answered) <= set(intents), "a payment that was answered is gone"
    movements = lasting.all_movements()
    assert len(movements) == len(intents) > 10
    assert sorted(each.source for each in movements) == sorted(str(each.latest_charge) for each in intents.values())  # type: ignore[type-var]
    assert sum(each.net for each in movements) == lasting.total_balance()


@pytest.mark.deep
def test_a_seeded_counterpart_gives_the_same_ids(tmp_path: Path) -> None:
    def build(seed: str, name: str, *, killed: bool = False) -> list[str]:
        running = Running("--seed", seed, "--state", str(tmp_path / name))
        secret = running.client.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]}).secret
        session = running.open_session()
        if killed:
            running.kill()
            running.start()
        intent = running.charge()
        ids = [each.id for each in running.client.events.list({"limit": 100}).data]
        running.stop()
        return [str(secret), session.id, intent.id, *ids]

    assert build("demo", "a.db", killed=True) == build("demo", "b.db") != build("other", "c.db")


@pytest.mark.deep
def test_payouts_leave_by_themselves_every_day(tmp_path: Path) -> None:
    running = Running("--daily-payouts", "--state", str(tmp_path / "stripe.db"))
    running.charge(10_000)
    running.control("clock", days=1)
    assert running.client.payouts.list().data == []
    running.kill()
    running.start()
    running.control("clock", days=4)
    payouts = running.client.payouts.list().data
    assert [(each.amount, each.automatic, each.status) for each in payouts] == [(9825, True, "paid")]
    assert running.total_balance() == 0
    running.stop()


def test_without_control_there_is_no_control_plane() -> None:
    running = Running(control=False)
    assert running.raw("POST", "/_test/reset").status == 404
    assert running.client.balance.retrieve().livemode is False
    running.stop()


def test_a_busy_port_is_named(fresh_counterpart: Running) -> None:
    port = fresh_counterpart.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "marketplace.demo.stripe_counterpart", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 1
    assert port in done.stderr


@pytest.mark.parametrize("option", ["--port=x", "--nonsense"])
def test_wrong_options_are_refused(option: str) -> None:
    command = [sys.executable, "-m", "marketplace.demo.stripe_counterpart", option]
    assert subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 2
