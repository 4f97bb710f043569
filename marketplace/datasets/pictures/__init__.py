"""What is drawn of releases, where datasets lie, and how much of each zone releases publish."""
