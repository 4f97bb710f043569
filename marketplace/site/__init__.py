"""Where requests, Stripe's events and the clock come in."""
