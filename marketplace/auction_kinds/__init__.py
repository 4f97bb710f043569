"""The kinds of auction: their words, how their bids are read, bound and decided, what their transcripts say; pure."""
