"""What a licence allows, as one structure: its five lines, its offer in ODRL and what is refused at purchase follow from it."""
