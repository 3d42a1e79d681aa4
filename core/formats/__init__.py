"""Bytes to records, without I/O: where each record starts and ends in JSON, CSV and NDJSON.

The service cuts objects into parts with these scanners, and the workers read the parts with the
same ones, so both always see the same records.
"""
