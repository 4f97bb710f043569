"""The registry of auction kinds: adding one is a file in `kinds` and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.core.errors import Invalid
from marketplace.sales.auctions.kinds import ascending, bundle, exclusive, limited

if TYPE_CHECKING:
    from marketplace.sales.auctions.kind_rules import AuctionKind

KINDS: Final[dict[str, AuctionKind]] = {
    kind.code: kind for kind in (ascending.KIND, exclusive.KIND, limited.KIND, bundle.KIND)
}
"""Every kind by its code, in the order in which a steward chooses."""


def get_kind(code: str) -> AuctionKind:
    """Return the kind with this code; raises Invalid."""
    if code not in KINDS:
        raise Invalid("There is no auction of the kind {kind}.", kind=code)
    return KINDS[code]
