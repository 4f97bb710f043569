"""Finding what is for sale: cards of datasets with their words and facets, comparing."""
