-- Each move of a part names the attempt that makes it. An attempt that another one has replaced changes
-- nothing: it is refused with CI003 (beside CI001: the part is not being imported, and CI002: its
-- import is being cancelled).
--
-- Every move locks the import first, then the part, then writes: two of them at once wait, but never for
-- each other. A batch of contacts or rejections locks the part alone, and no import after that.

alter table public.imports
  add column generation integer not null default 0,
  add column undo_failure jsonb,
  drop constraint imports_state,
  add constraint imports_state check (state in (
    'queued', 'importing', 'completed', 'failed', 'cancelling', 'cancelled', 'undoing', 'undone',
    'undo_failed'));

comment on column public.imports.generation is 'number of retries: messages of parts differ from one to the next';
comment on column public.imports.undo_failure is 'why its last undo ended early, and what was left; null unless undo_failed';

alter table public.import_parts
  add column open_attempts uuid[] not null default '{}',
  add column stops integer not null default 0,
  add column rejected_codes jsonb;

comment on column public.import_parts.attempt is 'the last one begun: only this one may move the part';
comment on column public.import_parts.open_attempts is 'those begun of which no orderly end is known: a part that has too many is given up';
comment on column public.import_parts.retries is 'times it was put off because something it needs was away';
comment on column public.import_parts.stops is 'times it was handed back because its worker was stopped';
comment on column public.import_parts.rejected_codes is 'number of rejections by code; null where there are none';

update public.import_parts
set open_attempts = array(select gen_random_uuid() from generate_series(1, attempts))
where attempts > 0;

alter table public.import_parts drop column attempts;

-- Rejections beyond those that the table keeps of a part: an object in Storage for each row.
create table public.import_rejection_objects (
  import_id uuid not null references public.imports on delete cascade,
  part integer not null,
  first_record bigint not null check (first_record >= 1),
  last_record bigint not null check (last_record >= first_record),
  codes jsonb not null,
  object text not null,
  primary key (import_id, first_record)
);

comment on column public.import_rejection_objects.codes is 'number of rejections in the object by code';

alter table public.import_rejection_objects enable row level security;
revoke all on public.import_rejection_objects from anon, authenticated;
grant select, insert, update, delete on public.import_rejection_objects to service_role;

-- Locks an import and its part for a move, and returns the part. Refuses all but its last attempt.
create function public.lock_part(p_import uuid, p_part integer, p_attempt uuid)
returns public.import_parts
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
begin
  perform from public.imports where id = p_import for no key update;
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for no key update;
  if v_part.attempt is distinct from p_attempt then
    raise sqlstate 'CI003' using message = format(
      'part %s of import %s belongs to another attempt', p_part, p_import);
  end if;
  return v_part;
end
$$;

-- Keeps a part as it is until the end of a transaction that writes contacts or rejections of it.
create function public.hold_part(p_import uuid, p_part integer, p_attempt uuid) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
begin
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for share;
  if v_part.state is distinct from 'importing' then
    raise sqlstate 'CI001' using message = format(
      'part %s of import %s is not being imported', p_part, p_import);
  end if;
  if v_part.attempt is distinct from p_attempt then
    raise sqlstate 'CI003' using message = format(
      'part %s of import %s belongs to another attempt', p_part, p_import);
  end if;
  if exists (select from public.imports where id = p_import and state = 'cancelling') then
    raise sqlstate 'CI002' using message = format('import %s is being cancelled', p_import);
  end if;
end
$$;

-- Removes what is known of a part's rejections: another attempt begins, and finds them again.
create function public.clear_rejections(p_part public.import_parts) returns void
language sql set search_path = ''
as $$
  delete from public.import_rejections
  where import_id = p_part.import_id
    and record between p_part.first_record and p_part.first_record + p_part.records - 1;
  delete from public.import_rejection_objects
  where import_id = p_part.import_id
    and first_record between p_part.first_record and p_part.first_record + p_part.records - 1;
$$;

-- Makes contacts and rejections of a part agree: a record that is a contact is not a rejection, whichever
-- attempt wrote it. Returns the number of rejections by code (null if there are none) and how many were
-- removed. Call it with the part locked, so that nobody writes any.
drop function public.rejections_in(public.import_parts);

create function public.settle_rejections(
  p_part public.import_parts, out codes jsonb, out removed bigint
)
language plpgsql set search_path = ''
as $$
begin
  delete from public.import_rejections r
  using public.contacts c
  where r.import_id = p_part.import_id
    and r.record between p_part.first_record and p_part.first_record + p_part.records - 1
    and c.id = public.contact_id(r.import_id, r.record);
  get diagnostics removed = row_count;
  select jsonb_object_agg(total.code, total.number) into codes
  from (
    select each.code, sum(each.number) as number
    from (
      select r.code, count(*) as number from public.import_rejections r
      where r.import_id = p_part.import_id
        and r.record between p_part.first_record and p_part.first_record + p_part.records - 1
      group by r.code
      union all
      select n.key, n.value::bigint
      from public.import_rejection_objects o, jsonb_each_text(o.codes) n
      where o.import_id = p_part.import_id
        and o.first_record between p_part.first_record
          and p_part.first_record + p_part.records - 1
    ) each
    group by each.code
  ) total;
end
$$;

create function public.sum_of_codes(p_codes jsonb) returns bigint
language sql immutable parallel safe set search_path = ''
as $$
  select coalesce(sum(value::bigint), 0)::bigint from jsonb_each_text(p_codes)
$$;

-- Ends parts before their time, with what of them is in the tables. Call it with the import locked.
create or replace function public.stop_parts(
  p_import uuid, p_states text[], p_part integer, p_state text, p_code text, p_failure text
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_imported bigint;
  v_codes jsonb;
  v_any boolean := false;
begin
  for v_part in
    select * from public.import_parts
    where import_id = p_import and state = any (p_states) and (p_part is null or part = p_part)
    order by part
    for no key update
  loop
    v_any := true;
    v_imported := 0;
    v_codes := null;
    if v_part.started_at is not null then
      v_imported := public.contacts_in(v_part);
      v_codes := (public.settle_rejections(v_part)).codes;
    end if;
    update public.import_parts
    set state = p_state, failure_code = p_code, failure = p_failure, imported = v_imported,
        rejected = public.sum_of_codes(v_codes), rejected_codes = v_codes, open_attempts = '{}',
        finished_at = clock_timestamp()
    where import_id = p_import and part = v_part.part;
  end loop;
  return v_any;
end
$$;

drop function public.fail_part(uuid, integer, text, text);

create function public.fail_part(
  p_import uuid, p_part integer, p_attempt uuid, p_code text, p_failure text
) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform public.lock_part(p_import, p_part, p_attempt);
  return public.part_ended(p_import, p_part, 'failed', public.stop_parts(
    p_import, '{queued,importing}', p_part, 'failed', p_code, p_failure));
end
$$;

drop function public.cancel_part(uuid, integer);

create function public.cancel_part(p_import uuid, p_part integer, p_attempt uuid) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform public.lock_part(p_import, p_part, p_attempt);
  return public.part_ended(p_import, p_part, 'cancelled', case
    when exists (select from public.imports where id = p_import and state = 'cancelling')
    then public.stop_parts(p_import, '{queued,importing}', p_part, 'cancelled', null, null)
    else false end);
end
$$;

drop function public.finish_part(uuid, integer, bigint, bigint, jsonb);

-- The rejections are counted as they are stored, so what is told to be rejected and is not there, or was
-- told twice, breaks the account of the part's records and is refused.
create function public.finish_part(
  p_import uuid, p_part integer, p_attempt uuid, p_imported bigint, p_rejected bigint,
  p_ignored jsonb default null
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts := public.lock_part(p_import, p_part, p_attempt);
  v_codes jsonb;
  v_removed bigint := 0;
begin
  if v_part.state = 'importing' then
    if p_rejected > 0 then
      select codes, removed into v_codes, v_removed from public.settle_rejections(v_part);
    end if;
    update public.import_parts
    set state = 'done', imported = p_imported + v_removed,
        rejected = public.sum_of_codes(v_codes), rejected_codes = v_codes, open_attempts = '{}',
        ignored = nullif(p_ignored, 'null'), finished_at = clock_timestamp()
    where import_id = p_import and part = p_part;
  end if;
  return public.part_ended(p_import, p_part, 'done', v_part.state = 'importing');
end
$$;

drop function public.postpone_part(uuid, integer);

-- An orderly end of an attempt, which then does not count among those that died. The part waits again if
-- it was this attempt's. Returns how often it was put off because something was away, null if the
-- part was not this attempt's (any more).
create function public.postpone_part(
  p_import uuid, p_part integer, p_attempt uuid, p_away boolean
) returns integer
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_is_mine boolean;
begin
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for no key update;
  v_is_mine := v_part.state = 'importing' and v_part.attempt = p_attempt;
  update public.import_parts
  set open_attempts = array_remove(open_attempts, p_attempt),
      state = case when v_is_mine then 'queued' else state end,
      retries = retries + (v_is_mine and p_away)::integer,
      stops = stops + (v_is_mine and not p_away)::integer
  where import_id = p_import and part = p_part and p_attempt = any (open_attempts);
  return case when v_is_mine then v_part.retries + p_away::integer end;
end
$$;

drop function public.start_part(uuid, integer, integer, boolean, uuid);

-- Gives a part to an attempt, with what it needs; the one that had the part may not move it any more.
-- Null if there is nothing to do: unknown or ended. The same attempt may ask again. p_ended names
-- attempts that ended in order while this could not be recorded.
--
-- A part of which two attempts have no known end may have killed its worker, and whatever else ran
-- there. It is begun only by a worker that runs nothing beside it (p_alone), so that others do not share
-- its deaths and do not use up their own attempts.
create function public.start_part(
  p_import uuid, p_part integer, p_attempt uuid, p_max_attempts integer,
  p_alone boolean default true, p_ended uuid[] default '{}'
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
  v_part public.import_parts;
  v_open uuid[];
begin
  select * into v_import from public.imports where id = p_import for no key update;
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for no key update;
  if v_part.state is null or v_part.state not in ('queued', 'importing') then
    return null;
  end if;
  if v_import.state = 'cancelling' then
    return jsonb_build_object('cancelled', public.part_ended(
      p_import, p_part, 'cancelled',
      public.stop_parts(p_import, '{queued,importing}', p_part, 'cancelled', null, null)));
  end if;
  v_open := array(
    select attempt from unnest(v_part.open_attempts) as open (attempt)
    where attempt <> p_attempt and attempt <> all (p_ended));
  if not p_alone and cardinality(v_open) >= greatest(1, least(2, p_max_attempts - 1)) then
    update public.import_parts set open_attempts = v_open
    where import_id = p_import and part = p_part;
    return jsonb_build_object('suspect', true);
  end if;
  update public.imports
  set state = 'importing', started_at = coalesce(started_at, clock_timestamp())
  where id = p_import and state = 'queued';
  if cardinality(v_open) >= p_max_attempts then
    return jsonb_build_object('given_up', public.part_ended(
      p_import, p_part, 'failed', public.stop_parts(
        p_import, '{queued,importing}', p_part, 'failed', 'attempts_exhausted',
        format('The part was begun %s times and never finished: its workers died or hung.',
               p_max_attempts))));
  end if;
  if v_part.started_at is not null and v_part.attempt is distinct from p_attempt then
    perform public.clear_rejections(v_part);
  end if;
  update public.import_parts
  set state = 'importing', attempt = p_attempt, open_attempts = v_open || p_attempt,
      started_at = coalesce(started_at, clock_timestamp())
  where import_id = p_import and part = p_part;
  return jsonb_build_object(
    'source', v_import.source, 'format', v_import.format, 'layout', v_import.layout,
    'object', v_import.object, 'dry_run', v_import.dry_run,
    'byte_start', v_part.byte_start, 'byte_end', v_part.byte_end,
    'first_record', v_part.first_record, 'records', v_part.records,
    'rerun', v_part.started_at is not null);
end
$$;

-- As before, with the import's generation, which the messages of its parts are made of.
create or replace function public.start_import(p_import uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  update public.imports
  set state = 'importing', started_at = coalesce(started_at, clock_timestamp())
  where id = p_import and state = 'queued';
  v_state := public.close_import(p_import);
  if v_state is null then
    return null;
  end if;
  return jsonb_build_object(
    'state', v_state,
    'generation', (select generation from public.imports where id = p_import),
    'parts', (
      select coalesce(jsonb_agg(part order by part), '[]')
      from public.import_parts where import_id = p_import and state in ('queued', 'importing')
    )
  );
end
$$;

-- Writes a batch; contacts that are there already are left alone. The text is a line of JSON (import,
-- part, attempt, prefix of the ids, first_record, source, delimiter), then the fields, divided by the
-- delimiter. If the line says so (finish: imported, rejected, ignored), the part ends with it; then how
-- that went is returned.
create or replace function public.write_contacts(text) returns jsonb
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
    -- It may have ended with this very request, of which the answer was lost.
    return public.part_ended(v_import, v_part, 'done', false);
  elsif exists (select from public.imports where id = v_import and state = 'cancelling') then
    raise sqlstate 'CI002' using message = format('import %s is being cancelled', v_import);
  end if;
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
      v_end -> 'ignored');
  end if;
  return null;
end
$$;

-- Writes a batch row by row, for one of which the database refuses some rows. The text is that of
-- write_contacts, and names the beginnings of the SQLSTATEs that blame a row (row_errors). Returns what is
-- refused (record, SQLSTATE), and for each SQLSTATE what the database said first. All other errors
-- are raised. A refused row that is in the table all the same was taken earlier: it is a contact.
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
    select '^(' || string_agg(code, '|') || ')' from jsonb_array_elements_text(v_head -> 'row_errors') code);
  v_row record;
  v_records bigint[] := '{}';
  v_codes text[] := '{}';
  v_reasons jsonb := '{}';
begin
  -- What would only be checked at the end of the transaction could not be told apart there.
  set constraints all immediate;
  for v_row in select * from public.contacts_of(v_prefix, v_first, v_head ->> 'source', v_fields) loop
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

drop function public.write_rejections(uuid, integer, jsonb);

create function public.write_rejections(
  p_import uuid, p_part integer, p_attempt uuid, p_rows jsonb
) returns void
language plpgsql set search_path = ''
as $$
begin
  perform public.hold_part(p_import, p_part, p_attempt);
  insert into public.import_rejections
  select * from jsonb_populate_recordset(null::public.import_rejections, p_rows)
  on conflict do nothing;
end
$$;

-- Notes an object with further rejections; once it is stored, and before the part ends.
create function public.add_rejection_object(
  p_import uuid, p_part integer, p_attempt uuid, p_object jsonb
) returns void
language plpgsql set search_path = ''
as $$
begin
  perform public.hold_part(p_import, p_part, p_attempt);
  insert into public.import_rejection_objects
  select * from jsonb_populate_record(
    null::public.import_rejection_objects,
    p_object || jsonb_build_object('import_id', p_import, 'part', p_part))
  on conflict do nothing;
end
$$;

-- Those of these records that are contacts: what an earlier attempt wrote is not rejected by a later one.
create function public.contacts_among(p_import uuid, p_records bigint[]) returns bigint[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(r.record order by r.record), '{}')
  from unnest(p_records) as r (record)
  join public.contacts c on c.id = public.contact_id(p_import, r.record)
$$;
