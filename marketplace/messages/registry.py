"""The registry of message kinds: adding one is a file in `kinds` and its line here."""

from __future__ import annotations

from typing import Final

from marketplace.messages.kinds import (
    bank_details_changed,
    budget_near_end,
    category_account_to_decide,
    confirm_address,
    consent_asked_anew,
    data_copied,
    deposit_captured,
    deposit_released,
    goodbye,
    help_requested,
    incident_begun,
    invitation,
    invoice_issued,
    job_late,
    licence_ending,
    new_device,
    new_release,
    outbid,
    partner_refused,
    partner_vetted,
    password_changed,
    password_reset,
    payment_due,
    payout_refused,
    payout_sent,
    refunded,
    release_recalled,
    run_to_approve,
    won,
    write_off_to_decide,
)

KINDS: Final = {
    module.KIND.code: module.KIND
    for module in (
        bank_details_changed,
        budget_near_end,
        category_account_to_decide,
        confirm_address,
        consent_asked_anew,
        data_copied,
        deposit_captured,
        deposit_released,
        goodbye,
        help_requested,
        incident_begun,
        invitation,
        invoice_issued,
        job_late,
        licence_ending,
        new_device,
        new_release,
        outbid,
        partner_refused,
        partner_vetted,
        password_changed,
        password_reset,
        payment_due,
        payout_refused,
        payout_sent,
        refunded,
        release_recalled,
        run_to_approve,
        won,
        write_off_to_decide,
    )
}
"""Every kind by its code."""
