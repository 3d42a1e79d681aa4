"""The queue: dramatiq-pg's broker and consumer, with what this project changes about them."""
