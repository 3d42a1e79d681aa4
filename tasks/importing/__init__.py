"""The work on an import: parts are read, parsed, validated, written and finished, or undone."""
