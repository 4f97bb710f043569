"""Addresses and where they lie: a table of the operator's, found by what people write; only hashes of addresses are kept."""
