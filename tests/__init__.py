"""Tests of Partage: `python3 tests`."""
