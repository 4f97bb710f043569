"""The log says what failed and where, never the values at hand."""

import sys
from collections.abc import Iterator

import pytest
import structlog

from marketplace.__main__ import log_plainly, main


@pytest.fixture
def logging_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start as every command does, from structlog's own defaults, and log plainly afterwards as all tests do."""
    structlog.reset_defaults()
    monkeypatch.setattr(sys, "argv", ["marketplace", "--help"])
    with pytest.raises(SystemExit):
        main()
    yield
    log_plainly()


def _fail(password: str) -> None:
    kept = {"cookie": password[::-1]}
    raise ValueError(len(kept))


@pytest.mark.usefixtures("logging_command")
def test_a_failure_is_logged_without_the_secrets_it_met(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "a rather long sentence"
    capsys.readouterr()
    try:
        _fail(secret)
    except ValueError:
        structlog.get_logger().exception("a request failed", path="/sign-in")
    output = capsys.readouterr()
    assert "ValueError: 1" in output.out + output.err
    assert "/sign-in" in output.out + output.err
    for value in (secret, secret[::-1]):
        assert value not in output.out + output.err
