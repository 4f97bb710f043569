"""The service: districts of packages named by the trade's nouns; each district uses only those below it."""
