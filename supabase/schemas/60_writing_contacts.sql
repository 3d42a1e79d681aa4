-- Returns the contacts of neighbouring records. p_fields holds all names, then all e-mail
-- addresses; a record with neither is not a contact. Has no `set search_path`, because Postgres would
-- then not inline it.
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

-- Prevents the end of a part until the end of a transaction that writes contacts or rejections of
-- it. Raises CI001, CI002 or CI003; CI003 also if the part waits again because a crash of
-- Postgres has lost its start.
create function public.hold_part(p_import uuid, p_part integer, p_attempt uuid) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
begin
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for share;
  if v_part.state in ('queued', 'importing') and v_part.attempt is distinct from p_attempt then
    raise sqlstate 'CI003' using message = format(
      'part %s of import %s is owned by another attempt', p_part, p_import);
  end if;
  if v_part.state is distinct from 'importing' then
    raise sqlstate 'CI001' using message = format(
      'part %s of import %s is not in state importing', p_part, p_import);
  end if;
  if exists (select from public.imports where id = p_import and state = 'cancelling') then
    raise sqlstate 'CI002' using message = format('import %s is being cancelled', p_import);
  end if;
end
$$;

-- Writes a batch of contacts; contacts that exist are left unchanged. The text is one line of JSON,
-- then the fields as in contacts_of, separated by the delimiter. For Postgres that is half the work
-- of a JSON array, and a third of the bytes. Keys of the JSON: import, part, attempt, prefix of the
-- ids, first_record, source, delimiter, and finish (the counts of finish_part) if the part is
-- done with this batch. Returns what part_ended returns if the part is done, else null. Raises
-- CI001, CI002 or CI003.
create function public.write_contacts(text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_head jsonb := split_part($1, E'\n', 1)::jsonb;
  v_import uuid := v_head ->> 'import';
  v_part integer := v_head ->> 'part';
  v_attempt uuid := v_head ->> 'attempt';
  v_prefix text := v_head ->> 'prefix';
  v_first bigint := v_head ->> 'first_record';
  v_source text := v_head ->> 'source';
  v_fields text[] := string_to_array(
    substr($1, strpos($1, E'\n') + 1), v_head ->> 'delimiter', '');
  v_end jsonb := v_head -> 'finish';
begin
  if v_end is null then
    perform public.hold_part(v_import, v_part, v_attempt);
  elsif (public.lock_part(v_import, v_part, v_attempt)).state <> 'importing' then
    -- An earlier call with this text may have ended the part, and its response was lost.
    return public.part_ended(v_import, v_part, 'done', false);
  elsif exists (select from public.imports where id = v_import and state = 'cancelling') then
    raise sqlstate 'CI002' using message = format('import %s is being cancelled', v_import);
  end if;
  -- Usually none of the contacts exists; then an insert without `on conflict` costs less.
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
      v_import, v_part, v_attempt, (v_end ->> 'imported')::bigint, (v_end ->> 'rejected')::bigint,
      v_end -> 'ignored', v_end -> 'skipped', v_end -> 'warnings');
  end if;
  return null;
end
$$;

-- Writes a batch row by row, after the database has refused it as a whole. The text is that of
-- write_contacts; its JSON also lists the beginnings of the SQLSTATEs that blame a row
-- (row_errors). Returns the refused records with their SQLSTATEs, and for each SQLSTATE its first
-- message. All other errors are raised. A refused row that is in the table was written by an
-- earlier attempt: it is a contact.
create function public.insert_apart(text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_head jsonb := split_part($1, E'\n', 1)::jsonb;
  v_prefix text := v_head ->> 'prefix';
  v_first bigint := v_head ->> 'first_record';
  v_fields text[] := string_to_array(
    substr($1, strpos($1, E'\n') + 1), v_head ->> 'delimiter', '');
  v_row_errors text := (
    select '^(' || string_agg(code, '|') || ')'
    from jsonb_array_elements_text(v_head -> 'row_errors') code);
  v_row record;
  v_records bigint[] := '{}';
  v_codes text[] := '{}';
  v_reasons jsonb := '{}';
begin
  -- A constraint that is checked at the end of the transaction does not say which row it refuses.
  set constraints all immediate;
  for v_row in
    select * from public.contacts_of(v_prefix, v_first, v_head ->> 'source', v_fields)
  loop
    begin
      insert into public.contacts (id, name, email, source)
      values (v_row.id, v_row.name, v_row.email, v_row.source)
      on conflict (id) do nothing;
    exception when others then
      if sqlstate !~ v_row_errors then
        raise;
      end if;
      if not exists (select from public.contacts where id = v_row.id) then
        v_records := v_records || ('x' || right(v_row.id::text, 9))::bit(36)::bigint;
        v_codes := v_codes || sqlstate;
        v_reasons := jsonb_build_object(sqlstate, sqlerrm) || v_reasons;
      end if;
    end;
  end loop;
  return jsonb_build_object(
    'records', to_jsonb(v_records), 'codes', to_jsonb(v_codes), 'reasons', v_reasons);
end
$$;

-- As insert_apart, for an attempt that owns its part. Raises CI001, CI002 or CI003.
create function public.write_apart(text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_head jsonb := split_part($1, E'\n', 1)::jsonb;
begin
  perform public.hold_part(
    (v_head ->> 'import')::uuid, (v_head ->> 'part')::integer, (v_head ->> 'attempt')::uuid);
  return public.insert_apart($1);
end
$$;

-- Returns which of these records are contacts, in order. A later attempt does not reject what an
-- earlier one has written.
create function public.contacts_among(p_import uuid, p_records bigint[]) returns bigint[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(r.record order by r.record), '{}')
  from public.prefix_of_import(p_import) as prefix
  cross join unnest(p_records) as r (record)
  join public.contacts c on c.id = public.contact_id(prefix, r.record)
$$;

-- Returns the number of a part's contacts. It is exact only if nobody writes contacts: call it with
-- the part locked, in a statement after the one that locks it.
create function public.contacts_in(p_part public.import_parts) returns bigint
language sql stable set search_path = ''
as $$
  select count(*) from public.contacts
  where id between
    public.contact_id(public.prefix_of_import(p_part.import_id), p_part.first_record)
    and public.contact_id(
      public.prefix_of_import(p_part.import_id), p_part.first_record + p_part.records - 1)
$$;
