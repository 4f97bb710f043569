"""The operator's ground: its zones, the map drawn under them, and where addresses lie."""
