"""How fast and how flat the importer is, beside what one would use instead. See README.md here."""
