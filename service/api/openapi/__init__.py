"""The API as an OpenAPI 3.1 document: states and codes come from the code."""
