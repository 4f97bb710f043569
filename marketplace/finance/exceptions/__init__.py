"""The kinds of exception, one a file: what names it, its sentence and advice in both languages, and how it may be written off."""
