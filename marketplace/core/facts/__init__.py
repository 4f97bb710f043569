"""The outbox of the public log: facts that others may check, each written in the transaction that makes it true."""
