"""The kinds of messages: each district's `message_kinds.py` defines and lists those that its packages send.

A message is stored with its kind's code, and any process may have to word it. The lists are found by name, as
migrations find tables, since they are above this package. They import only words and the type of a kind.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from marketplace.core.districts import DISTRICTS
from marketplace.people.messages.rules import MessageKind

if TYPE_CHECKING:
    from collections.abc import Iterator


def _kinds_of(district: str) -> Iterator[MessageKind]:
    name = f"marketplace.{district}.message_kinds"
    if find_spec(name):
        yield from (kind for kind in vars(import_module(name)).values() if isinstance(kind, MessageKind))


KINDS: Final = {kind.code: kind for district in DISTRICTS for kind in _kinds_of(district)}
"""Every kind by its code."""
