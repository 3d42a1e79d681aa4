-- A batch of contacts as plain text: half the work for Postgres that rows as JSON are, and a third
-- of the bytes.

-- The fields of neighbouring records, all names before all e-mails, as contacts; where a record has
-- neither, it is none. (No `set search_path`: with it, the function would not be inlined.)
create function public.contacts_of(
  p_prefix text, p_first_record bigint, p_source text, p_fields text[]
) returns table (id uuid, name text, email text, source text)
language sql immutable parallel safe
as $$
  select
    (p_prefix || pg_catalog.lpad(pg_catalog.to_hex(p_first_record + f.at - 1), 9, '0'))::uuid,
    f.name, f.email, p_source
  from rows from (
    pg_catalog.unnest(p_fields[:pg_catalog.cardinality(p_fields) / 2]),
    pg_catalog.unnest(p_fields[pg_catalog.cardinality(p_fields) / 2 + 1:])
  ) with ordinality as f (name, email, at)
  where f.name is not null or f.email is not null
$$;

-- Writes a batch; contacts that are there already are left alone. The text is a line of JSON (prefix
-- of the ids, first_record, source, delimiter), then the fields, divided by the delimiter. Usually
-- none is there, and then Postgres need not look for each before it writes it. If the line says so
-- (finish: import, part, imported, rejected), the part ends with it; then how that went is told.
create function public.write_contacts(text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_head jsonb := split_part($1, E'\n', 1)::jsonb;
  v_prefix text := v_head ->> 'prefix';
  v_first bigint := v_head ->> 'first_record';
  v_source text := v_head ->> 'source';
  v_fields text[] := string_to_array(
    substr($1, strpos($1, E'\n') + 1), v_head ->> 'delimiter', '');
  v_end jsonb := v_head -> 'finish';
begin
  begin
    insert into public.contacts (id, name, email, source)
    select * from public.contacts_of(v_prefix, v_first, v_source, v_fields);
  exception when unique_violation then
    insert into public.contacts (id, name, email, source)
    select * from public.contacts_of(v_prefix, v_first, v_source, v_fields)
    on conflict (id) do nothing;
  end;
  if v_end is not null then
    return public.finish_part(
      (v_end ->> 'import')::uuid, (v_end ->> 'part')::integer,
      (v_end ->> 'imported')::bigint, (v_end ->> 'rejected')::bigint);
  end if;
  return null;
end
$$;

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.contacts_of(text, bigint, text, text[])', 'public.write_contacts(text)'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
