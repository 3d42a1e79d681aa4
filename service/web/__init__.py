"""What people see in a browser: the page at ``/``, and the API described at ``/docs``."""
