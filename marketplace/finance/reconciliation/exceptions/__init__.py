"""The kinds of exception, by subject: what names each, its sentence and advice in both languages, and how it may be written off."""
