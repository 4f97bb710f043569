"""Subscriptions: the next releases of a dataset at a locked price, ordered and charged as they are published."""
