"""The manual, as pages of the site: Markdown files in one folder for each kind of reader."""
