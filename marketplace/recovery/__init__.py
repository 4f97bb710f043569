"""Getting back in: a forgotten password reset by mail, and addresses confirmed by the link of a letter."""
