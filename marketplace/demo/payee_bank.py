"""A local bank that verifies payees: a small HTTP server, for demo and tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]

PATH: Final = "/verification-of-payee"
ONE_IN: Final = 33
"""In the demo, one in this many accounts has another name."""


@dataclass
class PayeeBank:
    """The bank's answers: `names` has the IBANs that do not simply match."""

    names: dict[str, str] = field(default_factory=dict)
    """IBAN → close, none or unknown."""
    has_chance: bool = False
    """Whether some of the other accounts differ as well, always the same ones."""
    is_silent: bool = False
    asked: int = 0
    """How many payees were verified."""

    def outcome_of(self, iban: str) -> str:
        """Return the bank's answer about an account and its name."""
        if iban in self.names or not self.has_chance or int(iban[-4:], 36) % ONE_IN:
            return self.names.get(iban, "match")
        return ("none", "close", "unknown")[int(iban[-5:], 36) // ONE_IN % 3]

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one request (ASGI)."""
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        answer, status = b"{}", 503
        if not self.is_silent and scope["path"] == PATH:
            payees = json.loads(body)["payees"]
            self.asked += len(payees)
            found = [{"id": one["id"], "outcome": self.outcome_of(one["iban"])} for one in payees]
            answer, status = json.dumps({"payees": found}).encode(), 200
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": answer})
