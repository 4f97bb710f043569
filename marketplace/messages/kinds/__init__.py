"""The kinds of message, one file each: when it is written, its words in both languages, and the page it leads to."""
