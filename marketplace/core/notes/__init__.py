"""Notes outside the database: what people said and what is sold, so that a restore forgets no word and names what it lacks."""
