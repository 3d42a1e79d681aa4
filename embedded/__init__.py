"""A Supabase for laptops and CI, without Docker.

Postgres and PostgREST are the real ones; Storage and the gateway in front of them are
stand-ins, which answer as the real ones do. ``python -m embedded`` starts it all.
"""
