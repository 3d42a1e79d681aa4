"""Web pages: the import page at ``/``, the API documentation at ``/docs``, and problem types."""
