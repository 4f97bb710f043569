"""Where what leaves may go: to public hosts alone, however their addresses are written; and when it is given up."""

import asyncio
import datetime as dt
import socket
from typing import Any

import pytest

from marketplace.core.errors import Invalid
from marketplace.delivery.outgoing import rules
from marketplace.delivery.outgoing.partner_hosts import FORBIDDEN, post
from tests.delivery.builders import UNSPEAKABLE

PRIVATE = (
    "127.0.0.1 10.0.0.1 172.16.9.9 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 ::1 :: "
    "fe80::1%eth0 fc00::1 ff02::1 ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1:: 2001:0:1:1::f5ff:fffe ::127.0.0.1 "
    "fec0::1 64:ff9b:1::a00:1 192.0.0.8 192.0.0.9 192.0.0.10 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1 198.19.0.1 "
    "100::1 100:0:0:1::1 2001:1::1 2001:3::1 2001:4:112::1 2001:20::1 2001:30::1 2001:db8::1 2620:4f:8000::1 3fff::1 5f00::1 4000::1"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_no_private_address_is_chosen(address: str) -> None:
    assert rules.choose_address([address]) is None
    assert rules.choose_address(["93.184.215.14", address]) is None


def test_public_addresses_and_networks_of_the_operators_are_chosen() -> None:
    for address in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"):
        assert rules.choose_address([address]) == address
    assert rules.choose_address([]) is None
    assert rules.choose_address(["10.1.2.3"], "fd00::/8, 10.0.0.0/8") == "10.1.2.3"


@pytest.mark.parametrize(
    "url",
    [
        *UNSPEAKABLE,
        "http://example.org/",
        "https://example.org:22/",
        "https://a:b@example.org/",
        "https:///x",
        "https://example.org/#x",
        "ftp://example.org",
        "https://example.org:99999999/",
        "https://exa mple.org/",
        "https://example.org/" + "x" * 500,
    ],
)
def test_an_address_is_https_on_its_usual_ports(url: str) -> None:
    with pytest.raises(Invalid):
        rules.check_url(url)
    assert rules.check_url("https://example.org:8443/hook ") == "https://example.org:8443/hook"


OTHER_FORMS = (
    "https://2130706433/ https://0x7f000001/ https://0177.0.0.1/ https://127.1/ https://0/ https://[::]/ "
    "https://[::ffff:7f00:1]/ https://[0:0:0:0:0:ffff:127.0.0.1]/ https://[64:ff9b::7f00:1]/ https://[::ffff:0:7f00:1]/ "
    "https://[2002:7f00:1::]/ https://[fd00:ec2::254]/ https://169.254.169.254/ https://localhost./ https://LOCALHOST/ "
    "https://\uff11\uff12\uff17.0.0.1/ https://127\u3002 0.0.1/"
).replace("\u3002 ", "\u3002")


@pytest.mark.parametrize("url", OTHER_FORMS.split())
async def test_no_form_of_a_private_address_is_asked(url: str) -> None:
    status, why = await post(url, b"{}", {})
    assert status == 0
    assert why in {FORBIDDEN, "the host is unknown"}, why


async def test_a_name_that_changes_its_address_is_asked_where_it_was_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name leads to a public address when it is looked up first, and to this machine ever after (DNS rebinding)."""
    answers = ["192.0.43.10", "127.0.0.1"]
    asked: list[str] = []

    async def look_up(_loop: Any, host: str, port: int, **_named: Any) -> list[Any]:
        address = answers.pop(0) if host == "rebinding.example" else host
        asked.append(address)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    hits: list[bytes] = []

    async def hit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append(await reader.read(1))
        writer.close()

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", look_up)
    async with await asyncio.start_server(hit, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        status, _ = await post(f"https://rebinding.example:{port}/", b"{}", {}, seconds=0.5)
        assert status == 0
        assert asked[-1] == "192.0.43.10", "the address that was found to be public is the one that is asked"
        assert (hits, answers) == ([], ["127.0.0.1"]), "the name is looked up once"
        assert await post(f"https://rebinding.example:{port}/", b"{}", {}) == (0, FORBIDDEN), "and anew the next time"
        assert hits == []


def test_an_attempt_ends_delivered_or_in_another_or_is_given_up() -> None:
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert rules.outcome_of(1, now, is_delivered=True) == rules.Outcome(now, None)
    waits = [rules.outcome_of(attempts, now, is_delivered=False) for attempts in range(1, 11)]
    assert [one.next_at and one.next_at - now for one in waits] == [*rules.WAITS, None]
    assert [one.is_given_up for one in waits] == [False] * 9 + [True]
    assert rules.outcome_of(1, now, is_delivered=False, is_final=True).is_given_up
    assert not rules.outcome_of(10, now, is_delivered=True).is_given_up
