"""What makes a map one that people recognise: waters, roads, outlines and places that the operator uploads."""
