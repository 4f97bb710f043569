"""The shared look: layout, static files, forms, formats, translations."""
