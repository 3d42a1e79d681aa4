"""One upload: from the request to a stored object and a queued import, or back."""
