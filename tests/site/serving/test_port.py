"""The port that the site listens on: one that it cannot have ends `serve` in one sentence, before anybody is served."""

import os
import socket
import subprocess
import sys

import pytest

from marketplace.core.errors import Invalid
from marketplace.site.serving.server import listen
from tests.support.ports import free_port
from tests.support.production import OPERATORS_OWN
from tests.support.source import ROOT


def test_a_port_in_use_ends_serve_in_one_sentence(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as another:
        port = another.getsockname()[1]
        ran = subprocess.run(
            [sys.executable, "-m", "marketplace", "serve", "--rehearsal"],
            cwd=ROOT,
            env=os.environ | OPERATORS_OWN | {"DATABASE_URL": database_url, "PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        f"The port {port} of 127.0.0.1 is in use by another process: end that, or set PORT to another.\n"
    )


def test_an_address_of_another_machine_is_refused() -> None:
    for host in ("192.0.2.1", "no-such-name.invalid"):
        with pytest.raises(Invalid, match=rf"cannot listen on port \d+ of {host}: .+ Compare HOST and PORT"):
            listen(host, free_port())


def test_every_address_of_a_host_listens() -> None:
    for host in ("127.0.0.1", "localhost", "0.0.0.0"):  # noqa: S104 (as containers are set)
        bound = listen(host, free_port())
        assert bound
        for one in bound:
            socket.create_connection(one.getsockname()[:2], timeout=5).close()
            one.close()
