"""A stateful local counterpart of Stripe, for the demo and the tests: its v1 HTTP API, hosted pages and webhooks.

Only state transitions are written here. Shapes of requests and responses come from the installed `stripe` package's own
types and are checked on every call, so the counterpart cannot drift from the version that the marketplace really uses.
No real money moves and nothing outside this machine is ever called, except the webhook addresses registered with it.

A call goes app → api (key, idempotency, shapes) → one operation of a file named by Stripe's noun → world (SQLite).
"""
