"""The service: slices named by the trade's nouns, each importing only downward, with three entry points on top."""
