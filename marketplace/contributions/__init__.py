"""The index of contributions, sorted by person: in which sold releases somebody is, found in a few reads however much was ever sold."""
