"""The client of partners: every call of the API, typed, with nothing to install besides. `pip install partage` brings it."""
