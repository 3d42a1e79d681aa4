"""Refuses to build a distribution of the server, which runs from its checkout or image."""

import sys

sys.exit(
    "The server runs from its checkout (see README.md): install its dependencies with\n"
    "    pip install --require-hashes -r requirements.txt\n"
    "The command for clients is a distribution of its own:\n"
    "    pip install ./client"
)
