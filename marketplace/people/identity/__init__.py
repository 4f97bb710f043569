"""Who is who: partners, subscribers and staff; sessions, API keys, guards."""
