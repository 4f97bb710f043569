"""Payments through Stripe: commands out, events in, the mirrored balance; accounts and transfers there."""
