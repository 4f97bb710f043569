"""Trials: a whole older release for two weeks, once a partner; it earns nobody anything, and says so."""
