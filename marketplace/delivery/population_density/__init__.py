"""How many people there are per square kilometre, by the industry's own API (CAMARA), from what a partner bought."""
