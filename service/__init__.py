"""The HTTP API: takes imports in, tells what became of them."""
