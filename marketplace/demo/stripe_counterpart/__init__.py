"""A stateful local counterpart of Stripe, for the demo and the tests: its v1 HTTP API, hosted pages and webhooks.

Only state transitions are written here. The shapes of requests and responses come from the installed `stripe` package's
own types and are checked on every call, so the counterpart cannot drift from the version that the marketplace uses. No
real money moves. Nothing outside this machine is called, except the webhook addresses registered with it.

A call goes app → api (key, idempotency, shapes) → routes → one function of a file named by Stripe's noun → state
(SQLite).
"""
