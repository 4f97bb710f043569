"""Price sheets: what a figure of a market is worth, stated once for all of its datasets."""
