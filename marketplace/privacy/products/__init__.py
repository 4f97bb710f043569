"""The kinds of statistics that datasets count, one file each: definition, key set, bound and words."""
