-- What a later migration makes is closed until it is granted: by default, Supabase opened new tables
-- and functions in `public` to the anon key (for new projects until May 2026).
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public revoke all on sequences from anon, authenticated;
alter default privileges in schema public revoke execute on functions from anon, authenticated;
-- What Postgres itself lets everybody execute can only be taken back for all schemas together.
alter default privileges revoke execute on functions from public;
