"""One import: request, body, split, store, record; or rollback."""
