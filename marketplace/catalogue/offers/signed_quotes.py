"""What becomes of signed quotes: checked, ordered, and written for an auction's award."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from marketplace.catalogue.offers import rules
from marketplace.catalogue.offers.queries import SQL
from marketplace.catalogue.offers.tables import QuoteAcceptance
from marketplace.core.database import execute
from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.core.signing import public_key, sign
from pricing.agreed import amount_of

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.catalogue.offers.queries import SignedQuote
    from pricing.order import Priced


async def accept_quote(quote: uuid.UUID, at: dt.datetime) -> None:
    """Record that a quote was ordered, inside the order's transaction: from then on it holds its price no more."""
    await QuoteAcceptance.insert(QuoteAcceptance(quote=quote, accepted_at=at)).on_conflict(action="DO NOTHING")


async def write_awarded_quote(
    partner: uuid.UUID,
    *,
    auction: uuid.UUID,
    offer: uuid.UUID,
    terms: str,
    months: int,
    release: uuid.UUID,
    net_minor: int,
    document: bytes,
    expires_at: dt.datetime,
    now: dt.datetime,
) -> uuid.UUID:
    """Sign an auction's price and return its quote; inside the order's transaction.

    document: canonical bytes of the award, in place of a quote's own document. net_minor: cents before VAT.
    """
    quote_id, signature = uuid.uuid4(), sign(document, settings().signing_key)
    row = (quote_id, partner, offer, release, net_minor, document, signature, now, expires_at, auction, terms, months)
    written = await execute(SQL["write_awarded_quote"], *row)
    assert written, "an auction is of an offer"
    return quote_id


def recompute(quote: SignedQuote) -> Priced:
    """Check a quote's row against its signed document and return the recomputed price; refuse any difference."""
    assert quote.auction is None, "an awarded price is the auction's, see check_awarded"
    priced = rules.recompute(quote.document, quote.signature, public_key(settings().signing_key).hex())
    stated = json.loads(quote.document)
    named = [stated[name] for name in ("quote", "partner", "release", "expires_at")]
    in_the_row = [str(quote.id), str(quote.partner), str(quote.release), quote.expires_at.isoformat()]
    amounts = (stated["level"], amount_of(priced, stated))
    if named != in_the_row or amounts != (quote.level, quote.amount_minor):
        raise Invalid("This quote was changed, or was not signed by Partage.")
    return priced


def check_awarded(quote: SignedQuote) -> None:
    """Check an awarded quote's row against its signed document; the transcript proves the price."""
    rules.verify(quote.document, quote.signature, public_key(settings().signing_key).hex())
    stated = json.loads(quote.document)
    in_the_row = (str(quote.auction), str(quote.release), quote.amount_minor)
    if (stated["auction"], stated["release"], stated["amount_minor"]) != in_the_row:
        raise Invalid("This quote was changed, or was not signed by Partage.")
