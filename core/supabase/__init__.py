"""Clients of Supabase: Storage, PostgREST and SQL functions, with their errors and retries."""
