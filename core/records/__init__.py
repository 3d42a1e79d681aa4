"""One record after the other, by the plan: parse, repair, validate."""
