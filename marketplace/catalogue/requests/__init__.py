"""Requests for data that is not for sale: asked by partners, joined where they are identical, answered by a steward."""
