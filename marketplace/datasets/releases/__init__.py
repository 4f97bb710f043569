"""Dataset, release, contributor terms; the private build; the object store."""
