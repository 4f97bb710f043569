"""What a release tells, as pure mathematics: specification, noise, budget, editions, the release gate and its attacks."""
