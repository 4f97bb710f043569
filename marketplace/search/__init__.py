"""Finding what is for sale: cards of datasets, an index in memory, facets, comparing."""
