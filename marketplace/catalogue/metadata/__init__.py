"""Metadata for catalogues of data: what is for sale as DCAT-AP, in JSON-LD and Turtle."""
