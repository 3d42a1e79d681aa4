"""Measures the importer's speed and memory, beside alternatives; README.md explains how."""
