"""Columns and constraints of what partners' programs are notified of: facts, addresses they are posted to, deliveries."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, BigSerial, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Partner, Person
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData


class PartnerEvent(Table, db=DB, tablename="partner_event"):
    """One fact that concerns a partner, in the order in which they are followed; written from messages and orders."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    kind = Text()
    """A value of `rules.TYPES`."""
    source = Text()
    """Id of the fact: it is stated once to each partner."""
    data = JSONB()
    at = Timestamptz()
    one_event_a_fact = Unique([partner, kind, source])


class WebhookEndpoint(Table, db=DB, tablename="webhook_endpoint"):
    """An address of a partner's that facts are posted to; the key that signs them follows from the site's secret."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="owner = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    owner = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """Who added it."""
    url = Text()
    created_at = Timestamptz()
    after = BigInt(default=0)
    """The last event before it was added: those since are posted."""
    disabled_at = Timestamptz(null=True, default=None)
    disabled_because = Text(default="")
    """removed, gone (the address answered 410) or failing (three days long)."""
    known_reason = Check("disabled_because IN ('', 'removed', 'gone', 'failing')")
    says_why = Check("(disabled_at IS NULL) = (disabled_because = '')")


class WebhookDelivery(Table, db=DB, tablename="webhook_delivery"):
    """One event to one address, however often it was tried."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    endpoint = ForeignKey(WebhookEndpoint, null=False, on_delete=OnDelete.restrict)
    event = ForeignKey(PartnerEvent, null=False, on_delete=OnDelete.restrict)
    attempts = Integer(default=0)
    next_at = Timestamptz(null=True, default=None)
    """When it is tried next; null once it was delivered or given up."""
    delivered_at = Timestamptz(null=True, default=None)
    last_answer = Text(default="")
    """The last status, or why there was none."""
    one_delivery_an_event = Unique([endpoint, event])
    attempts_are_counted = Check("attempts >= 0")
