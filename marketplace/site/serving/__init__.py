"""Serving: between the network and the application: deadlines, limits, request ids, the access log."""
