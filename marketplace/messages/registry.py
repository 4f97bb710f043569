"""The registry of message kinds: adding one is a file in `kinds` and its line here."""

from __future__ import annotations

from typing import Final

from marketplace.messages.kinds import partner_refused, partner_vetted

KINDS: Final = {kind.code: kind for kind in (partner_refused.KIND, partner_vetted.KIND)}
"""Every kind by its code."""
