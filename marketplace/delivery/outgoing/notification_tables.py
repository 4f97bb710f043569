"""Columns and constraints of notifications to partners' programs: events, addresses, deliveries."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, BigSerial, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Partner, Person


class PartnerEvent(Table, db=DB, tablename="partner_event"):
    """One fact that concerns a partner, in the order of the list; written from messages and orders."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    kind = Text()
    """A value of `rules.TYPES`."""
    source = Text()
    """Id of the fact, which is stated once to each partner."""
    data = JSONB()
    at = Timestamptz()
    one_event_a_fact = Unique([partner, kind, source])


class WebhookEndpoint(Table, db=DB, tablename="webhook_endpoint"):
    """A partner's address for events; the key that signs them is derived from the site's secret."""

    personal_data = PersonalData(
        (Of.PARTNER,), FOR_GOOD, exported=True, erasure=Erasure.PSEUDONYM, find="owner = me.person"
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    owner = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """The person who added it."""
    url = Text()
    created_at = Timestamptz()
    after = BigInt(default=0)
    """The last event before it was added; later ones are posted."""
    disabled_at = Timestamptz(null=True, default=None)
    disabled_because = Text(default="")
    """removed, gone (the address answered 410) or failing (three days long)."""
    known_reason = Check("disabled_because IN ('', 'removed', 'gone', 'failing')")
    says_why = Check("(disabled_at IS NULL) = (disabled_because = '')")


class WebhookDelivery(Table, db=DB, tablename="webhook_delivery"):
    """One event to one address, with all its attempts."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    endpoint = ForeignKey(WebhookEndpoint, null=False, on_delete=OnDelete.restrict)
    event = ForeignKey(PartnerEvent, null=False, on_delete=OnDelete.restrict)
    attempts = Integer(default=0)
    next_at = Timestamptz(null=True, default=None)
    """When it is tried next; null once delivered or given up."""
    delivered_at = Timestamptz(null=True, default=None)
    last_answer = Text(default="")
    """The last status, or why there was none."""
    one_delivery_an_event = Unique([endpoint, event])
    attempts_are_counted = Check("attempts >= 0")
