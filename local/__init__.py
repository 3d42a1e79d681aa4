"""The whole importer on one machine: for a first look, for development, for tests."""
