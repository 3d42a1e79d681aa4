"""Writes contacts and rejections: by PostgREST or COPY, or rejections only for a dry run."""
