"""The ground: database, clock, settings, errors, locks, the object store, signing, the outbox of public facts, backup, the shared look."""
