"""Auctions: partners bid for licences, subscribers state what they would accept; every award can be re-computed by anyone."""
