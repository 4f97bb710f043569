"""Second factors: codes of an authenticator app, passkeys and recovery codes; and the page that asks once more who it is."""
