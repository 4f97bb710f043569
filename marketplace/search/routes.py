"""All routes of searching: comparing, saved searches, the list for machines."""

from marketplace.search import api, pages, saved_pages

ROUTES = [*pages.ROUTES, *saved_pages.ROUTES, *api.ROUTES]
