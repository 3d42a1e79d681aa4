-- The users' table, in the form they specified.
create table if not exists public.contacts (
  id uuid primary key default gen_random_uuid(),
  name text,
  email text,
  source text,
  imported_at timestamp default now()
);

-- Returns the first 27 characters of the ids of an import's contacts: those of the import's id,
-- dated p_ahead seconds later and marked as a UUIDv8. Python computes the same. This function and
-- the next one have no `set search_path`, because Postgres would then not inline them.
create function public.contact_prefix(p_import uuid, p_ahead integer) returns text
language sql immutable parallel safe
as $$
  select overlay(
    case
      when p_ahead = 0 then left(p_import::text, 27)
      else overlay(left(p_import::text, 27) placing overlay(
        lpad(to_hex(
          ('x' || left(p_import::text, 8) || substr(p_import::text, 10, 4))::bit(48)::bigint
          + p_ahead::bigint * 1000), 12, '0')
        placing '-' from 9 for 0) from 1)
    end
    placing '8' from 15)
$$;

-- Returns the id of a contact: the prefix that its import's contacts have, and the number of its
-- record as nine hexadecimal digits.
create function public.contact_id(p_prefix text, p_record bigint) returns uuid
language sql immutable parallel safe
as $$
  select (p_prefix || lpad(to_hex(p_record), 9, '0'))::uuid
$$;
