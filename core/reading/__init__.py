"""How a file is read: the plan, and what makes it from the first bytes of the file."""
