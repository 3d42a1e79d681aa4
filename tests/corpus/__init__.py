"""Real files of contacts, each with what a sensible person expects of its import."""
