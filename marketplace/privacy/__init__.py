"""What a release reveals, as pure mathematics: specification, noise, budget, editions."""
