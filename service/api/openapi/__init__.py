"""The OpenAPI document: made from ``service.api.operations`` and the types in ``schemas``."""
