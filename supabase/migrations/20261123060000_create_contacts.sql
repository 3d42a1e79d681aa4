-- The users' table, exactly as they gave it.
create table if not exists public.contacts (
  id uuid primary key default gen_random_uuid(),
  name text,
  email text,
  source text,
  imported_at timestamp default now()
);

-- Supabase serves `public` to the anon key: no policy, so only the service role gets through.
alter table public.contacts enable row level security;
revoke all on public.contacts from anon, authenticated;
grant select, insert, update, delete on public.contacts to service_role;
