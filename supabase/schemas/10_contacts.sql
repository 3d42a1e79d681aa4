-- The users' table, in the form they specified.
create table if not exists public.contacts (
  id uuid primary key default gen_random_uuid(),
  name text,
  email text,
  source text,
  imported_at timestamp default now()
);
