"""All routes of searching: comparing, saved searches, the list for machines."""

from marketplace.catalogue.search import api, pages, saved_pages

ROUTES = [*pages.ROUTES, *saved_pages.ROUTES, *api.ROUTES]
