-- Records have a reading plan, whatever their format; rows that are no records are counted, and so
-- are warnings.

alter table public.imports rename column layout to plan;
comment on column public.imports.plan is 'how the records are read: dialect, columns or keys';

alter table public.import_parts
  drop constraint every_record_is_accounted_for,
  drop column not_processed,
  add column skipped bigint not null default 0,
  add column skipped_codes jsonb,
  add column warnings jsonb,
  add column not_processed bigint not null
    generated always as (records - imported - rejected - skipped) stored,
  add constraint every_record_is_accounted_for check (
    imported >= 0 and rejected >= 0 and skipped >= 0 and not_processed >= 0
    and (state <> 'done' or not_processed = 0)
    and (state not in ('queued', 'importing', 'undone') or imported + rejected + skipped = 0));
comment on column public.import_parts.skipped_codes is
  'number of rows that are no records of contacts, by code; null if there are none';
comment on column public.import_parts.warnings is
  'for each code of a warning, how many records have it, and the numbers of the first ones';

drop function public.finish_part(uuid, integer, uuid, bigint, bigint, jsonb);

-- Records an import with its parts and queues its first message. Returns null if the import is
-- recorded, now or by an earlier call. If its idempotency key is taken, records nothing and returns
-- the other import's id and whether that one has the same fingerprint (see join_import). Raises
-- PT409 if the import was discarded.
create or replace function public.create_import(p_import jsonb, p_parts jsonb, p_message jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_id uuid := (p_import ->> 'id')::uuid;
  v_constraint text;
  v_taken jsonb;
begin
  perform public.lock_import(v_id);
  if exists (select from public.discarded_imports where id = v_id) then
    raise sqlstate 'PT409' using message = format('import %s was discarded', v_id);
  end if;
  loop
    begin
      insert into public.imports (
        id, source, format, plan, object, bytes, records, message_id,
        dry_run, sha256, received, detected, ignored, idempotency_key, fingerprint, notify
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'plan', 'null'),
        p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
        (p_message ->> 'message_id')::uuid,
        coalesce((p_import ->> 'dry_run')::boolean, false), p_import ->> 'sha256',
        (p_import ->> 'received')::bigint, nullif(p_import -> 'detected', 'null'),
        nullif(p_import -> 'ignored', 'null'), p_import ->> 'idempotency_key',
        p_import ->> 'fingerprint', nullif(p_import -> 'notify', 'null')
      )
      on conflict (id) do nothing;
      if not found then
        return null;
      end if;
      exit;
    exception when unique_violation then
      get stacked diagnostics v_constraint = constraint_name;
      if v_constraint <> 'imports_idempotency_key_key' then
        raise;
      end if;
    end;
    v_taken := public.join_import(p_import ->> 'idempotency_key', p_import ->> 'fingerprint');
    if v_taken is not null then
      return v_taken;
    end if;
    -- The import with this key has just been discarded, so the key is free: try again.
  end loop;
  insert into public.import_parts (import_id, part, byte_start, byte_end, first_record, records)
  select v_id, t.part, t.byte_start, t.byte_end, t.first_record, t.records
  from jsonb_to_recordset(p_parts)
    as t (part integer, byte_start bigint, byte_end bigint, first_record bigint, records bigint);
  perform public.enqueue_message(p_message);
  return null;
end
$$;

-- Assigns a part to an attempt, which owns it from now on. Returns what is needed to run
-- the part; null if there is nothing to do, because the part is unknown or finished. The same
-- attempt may call it again. p_ended lists attempts whose orderly end could not be recorded when it
-- happened, because the database was unavailable.
--
-- If the import is being cancelled, the part is cancelled: returns {"cancelled": ...}. If
-- p_max_attempts attempts have no known end, the part fails: returns {"given_up": ...}. Both hold
-- what part_ended returns.
--
-- A part with two attempts of no known end may have killed its worker, and everything else that ran
-- in it. Then only a worker that runs nothing else may start the part (p_alone); others get
-- {"suspect": true}. So a bad part neither stops other parts nor uses up their attempts.
create or replace function public.start_part(
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
        format('The part was started %s times and never finished: its workers died or hung.',
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
    'source', v_import.source, 'format', v_import.format, 'plan', v_import.plan,
    'object', v_import.object, 'dry_run', v_import.dry_run,
    'byte_start', v_part.byte_start, 'byte_end', v_part.byte_end,
    'first_record', v_part.first_record, 'records', v_part.records,
    'rerun', v_part.started_at is not null);
end
$$;

-- Marks a part as done. p_skipped has the numbers of skipped rows by code, p_warnings the warnings.
-- Rejections are counted as stored, so if one is missing, the constraint
-- every_record_is_accounted_for refuses the update. A rejected record that is a contact counts as
-- imported. Returns what part_ended returns; raises CI003 and PT409.
create function public.finish_part(
  p_import uuid, p_part integer, p_attempt uuid, p_imported bigint, p_rejected bigint,
  p_ignored jsonb default null, p_skipped jsonb default null, p_warnings jsonb default null
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
        skipped = public.sum_of_codes(nullif(p_skipped, 'null')),
        skipped_codes = nullif(p_skipped, 'null'), warnings = nullif(p_warnings, 'null'),
        ignored = nullif(p_ignored, 'null'), finished_at = clock_timestamp()
    where import_id = p_import and part = p_part;
  end if;
  return public.part_ended(p_import, p_part, 'done', v_part.state = 'importing');
end
$$;

-- Writes a batch of contacts; contacts that exist are left unchanged. The text is one line of JSON,
-- then the fields as in contacts_of, separated by the delimiter. For Postgres that is half the work
-- of a JSON array, and a third of the bytes. Keys of the JSON: import, part, attempt, prefix of the
-- ids, first_record, source, delimiter, and finish (the counts of finish_part) if the part is
-- done with this batch. Returns what part_ended returns if the part is done, else null. Raises
-- CI001, CI002 or CI003.
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

-- Queues the failed parts again, and only those. The message is new for each retry; a call with the
-- same message changes nothing. Counts the retry in generation, from which part messages are
-- computed, so that a part's old message, which is possibly just being acknowledged, does not
-- replace the new one. Returns the import as get_import does; null if it is unknown. Raises PT409
-- if the import has not failed.
create or replace function public.retry_import(p_import uuid, p_message jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
  v_part public.import_parts;
begin
  select * into v_import from public.imports where id = p_import for no key update;
  if v_import.message_id = (p_message ->> 'message_id')::uuid then
    return public.get_import(p_import);
  end if;
  if v_import.state <> 'failed' then
    raise sqlstate 'PT409' using message = format(
      'import %s cannot be retried: its state is %s', p_import, v_import.state);
  end if;
  for v_part in
    select * from public.import_parts where import_id = p_import and state = 'failed'
    order by part for no key update
  loop
    perform public.clear_rejections(v_part);
  end loop;
  update public.import_parts
  set state = 'queued', imported = 0, rejected = 0, skipped = 0, rejected_codes = null,
      skipped_codes = null, warnings = null, open_attempts = '{}',
      attempt = null, retries = 0, stops = 0, failure_code = null, failure = null,
      finished_at = null
  where import_id = p_import and state = 'failed';
  update public.imports
  set state = 'queued', finished_at = null, generation = generation + 1,
      message_id = (p_message ->> 'message_id')::uuid
  where id = p_import and v_import.id is not null;
  if found then
    perform public.enqueue_message(p_message);
  end if;
  return public.get_import(p_import);
end
$$;

-- Removes up to p_limit contacts of an import that is being undone, and with the last ones of a
-- part its rejections. Returns false when nothing is left. It selects the range of ids first and
-- deletes it then: for "id in (select ... limit)" Postgres may scan the whole table.
create or replace function public.undo_some(p_import uuid, p_limit integer) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_from uuid;
  v_to uuid;
  v_last uuid;
begin
  perform from public.imports where id = p_import and state = 'undoing' for no key update;
  if not found then
    return false;
  end if;
  select * into v_part from public.import_parts
  where import_id = p_import and state <> 'undone' order by part limit 1 for no key update;
  if not found then
    return false;
  end if;
  v_from := public.contact_id(p_import, v_part.first_record);
  v_to := public.contact_id(p_import, v_part.first_record + v_part.records - 1);
  select id into v_last from public.contacts
  where id between v_from and v_to order by id offset p_limit - 1 limit 1;
  delete from public.contacts where id between v_from and coalesce(v_last, v_to);
  if v_last is null then
    perform public.clear_rejections(v_part);
    update public.import_parts
    set state = 'undone', imported = 0, rejected = 0, skipped = 0, rejected_codes = null,
        skipped_codes = null, warnings = null, failure_code = null,
        failure = null
    where import_id = p_import and part = v_part.part;
  end if;
  return true;
end
$$;

-- Returns the import as GET /import/{jobId} shows it; null if it is unknown.
create or replace function public.get_import(p_import uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', i.id, 'source', i.source, 'format', i.format, 'state', i.state, 'dry_run', i.dry_run,
    'created_at', i.created_at, 'started_at', i.started_at, 'finished_at', i.finished_at,
    'seconds', extract(epoch from coalesce(i.finished_at, clock_timestamp()) - i.started_at),
    'bytes', i.bytes, 'records', i.records,
    'imported', coalesce(p.imported, 0), 'rejected', coalesce(p.rejected, 0),
    'skipped', coalesce(p.skipped, 0), 'not_processed', coalesce(p.not_processed, 0),
    'rejected_codes', (
      select coalesce(jsonb_object_agg(total.code, total.number), '{}')
      from (
        select n.key as code, sum(n.value::bigint) as number
        from public.import_parts c, jsonb_each_text(c.rejected_codes) n
        where c.import_id = i.id
        group by n.key
      ) total
    ),
    'skipped_codes', (
      select coalesce(jsonb_object_agg(total.code, total.number), '{}')
      from (
        select n.key as code, sum(n.value::bigint) as number
        from public.import_parts c, jsonb_each_text(c.skipped_codes) n
        where c.import_id = i.id
        group by n.key
      ) total
    ),
    'warnings', (
      select coalesce(jsonb_object_agg(total.code, jsonb_build_object(
        'count', total.number, 'records', total.records)), '{}')
      from (
        select w.key as code, sum((w.value ->> 'count')::bigint) as number,
               jsonb_path_query_array(
                 jsonb_path_query_array(
                   to_jsonb((array_agg(w.value -> 'records' order by c.part))[1:5]), '$[*][*]'
                 ), '$[0 to 4]'
               ) as records
        from public.import_parts c, jsonb_each(c.warnings) w
        where c.import_id = i.id
        group by w.key
      ) total
    ),
    'plan_warnings', coalesce(i.plan -> 'warnings', '[]'),
    'parts_total', coalesce(p.total, 0), 'parts_done', coalesce(p.done, 0),
    'parts_failed', coalesce(p.failed, 0), 'parts_cancelled', coalesce(p.cancelled, 0),
    'sha256', i.sha256, 'received', i.received, 'detected', i.detected,
    'ignored', (
      select coalesce(jsonb_agg(name order by name), '[]')
      from (
        select jsonb_array_elements_text(i.ignored) as name
        union
        select jsonb_array_elements_text(ignored)
        from public.import_parts where import_id = i.id and ignored is not null
        order by name limit 101
      ) names
    ),
    'failure', coalesce(i.undo_failure - 'at', (
      select jsonb_build_object('code', f.failure_code, 'detail', f.failure, 'part', f.part)
      from public.import_parts f
      where f.import_id = i.id and f.state = 'failed' order by f.part limit 1
    ))
  )
  from public.imports i
  left join lateral (
    select sum(imported) as imported, sum(rejected) as rejected, sum(skipped) as skipped,
           sum(not_processed) as not_processed, count(*) as total,
           count(*) filter (where state = 'done') as done,
           count(*) filter (where state = 'failed') as failed,
           count(*) filter (where state = 'cancelled') as cancelled
    from public.import_parts where import_id = i.id
  ) p on true
  where i.id = p_import
$$;

-- Returns the next p_limit rejections of an import after a record, in input order; the plan of
-- its records; and the next object with rejections after that record. Those in the object come
-- after the rows before its first record. Null if the import is unknown. It is one JSON value,
-- because the API's "max rows" would truncate a set.
create or replace function public.show_rejections(p_import uuid, p_after bigint, p_limit integer)
returns json
language sql stable set search_path = ''
as $$
  select json_build_object(
    'plan', i.plan,
    'rejections', (
      select coalesce(json_agg(page order by page.record), '[]')
      from (
        select r.record, r.code, r.message, r.content from public.import_rejections r
        where r.import_id = i.id and r.record > p_after
        order by r.record
        limit p_limit
      ) page
    ),
    'object', (
      select json_build_object(
        'name', o.object, 'first_record', o.first_record, 'last_record', o.last_record)
      from public.import_rejection_objects o
      where o.import_id = i.id and o.last_record > p_after
      order by o.first_record
      limit 1
    )
  )
  from public.imports i
  where i.id = p_import
$$;

revoke all on function public.finish_part from public, anon, authenticated;
grant execute on function public.finish_part to service_role;

notify pgrst, 'reload schema';
