"""The operator's own tables: of subscribers, and what they say of a line."""
