"""The outbox of messages: one row for each message, written in the transaction of the fact it reports."""
