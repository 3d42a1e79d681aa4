"""The queue: dramatiq-pg's broker and consumer, its connections, and process supervision."""
