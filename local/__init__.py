"""Runs the complete importer on one machine: for a demo, for development, for tests."""
