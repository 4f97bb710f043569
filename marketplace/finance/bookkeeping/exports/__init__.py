"""The formats in which the books leave as files, one a file, listed by the registry."""
