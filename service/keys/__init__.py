"""API keys: who may do what. ``python -m service.keys`` makes one."""
