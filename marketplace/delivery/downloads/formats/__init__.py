"""The formats that a release is downloaded in: one file each, listed in `registry`."""
