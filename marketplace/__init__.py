"""The service: slices named by the trade's nouns, each importing only downward, with three doors on top."""
