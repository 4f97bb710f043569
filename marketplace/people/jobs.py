"""The scheduled jobs of people: each one's name, interval in seconds and function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.scheduled import DAY, HOUR, MINUTE
from marketplace.people.audit_trail.chain import link_actions
from marketplace.people.audit_trail.copying import compare_copy, copy_trail
from marketplace.people.audit_trail.guards import note_lost_requests
from marketplace.people.identity.names import reseal_names
from marketplace.people.identity.vat_checks import confirm_pending_vat
from marketplace.people.mail.actions import send_mail
from marketplace.people.sign_in.address_changes import make_agreed_changes

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return them as the settings are now."""
    return {
        "send-mail": (2, send_mail),
        "reseal-names": (DAY, reseal_names),
        "note-lost-requests": (10 * MINUTE, note_lost_requests),
        "link-trail": (10, link_actions),
        "copy-trail": (MINUTE, copy_trail),
        "compare-trail": (HOUR, compare_copy),
        "confirm-vat": (HOUR, confirm_pending_vat),
        "change-addresses": (HOUR, make_agreed_changes),
    }
