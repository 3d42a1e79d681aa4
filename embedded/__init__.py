"""A Supabase for laptops and CI, without Docker.

Postgres and PostgREST are the real programs; Storage and the gateway are stand-ins that answer as
the real ones do. ``python -m embedded`` starts everything.
"""
