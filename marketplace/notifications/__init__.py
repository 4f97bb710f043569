"""Notifications for partners' programs: signed webhooks, and the same facts as a list to follow and as an Atom feed."""
