-- Totals: the sums over an import's parts are kept with the import, so that its status costs the
-- same whatever the number of its parts.

alter table public.imports
  add column parts_total integer not null default 0,
  add column parts_done integer not null default 0,
  add column parts_failed integer not null default 0,
  add column parts_cancelled integer not null default 0,
  add column imported bigint not null default 0,
  add column rejected bigint not null default 0,
  add column skipped bigint not null default 0,
  add column rejected_codes jsonb not null default '{}',
  add column skipped_codes jsonb not null default '{}',
  add column warnings jsonb not null default '{}';
comment on column public.imports.parts_total is
  'as the other totals, kept by count_part and recount_import: reading them takes no longer for '
  'thousands of parts than for one';
comment on column public.imports.ignored is
  'names of columns that are not imported, and of such fields that its parts have found';

-- For close_import and get_import.
create index import_parts_open_idx on public.import_parts (import_id)
where state in ('queued', 'importing');
create index import_parts_failed_idx on public.import_parts (import_id, part)
where state = 'failed';

-- Returns how often each code occurs: p_total without those of p_minus and with those of p_plus.
create function public.change_codes(p_total jsonb, p_minus jsonb, p_plus jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if p_minus is null and p_plus is null then
    return p_total;
  end if;
  return (
    select coalesce(jsonb_object_agg(code, number), '{}')
    from (
      select code, sum(number) as number
      from (
        select key as code, value::bigint as number from jsonb_each_text(p_total)
        union all
        select key, value::bigint from jsonb_each_text(p_plus)
        union all
        select key, -value::bigint from jsonb_each_text(p_minus)
      ) changes
      group by code having sum(number) > 0
    ) totals
  );
end
$$;

-- Returns the warnings of an import after one of its parts has changed: for each code how many
-- records have it, and the numbers of the first five.
create function public.change_warnings(
  p_total jsonb, p_before public.import_parts, p_after public.import_parts
) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if p_before.warnings is null and p_after.warnings is null then
    return p_total;
  end if;
  return (
    with changes (code, number, records) as (
      select key, (value ->> 'count')::bigint, (
        select jsonb_agg(record)
        from jsonb_array_elements(value -> 'records') as record
        where record::bigint not between p_before.first_record
          and p_before.first_record + p_before.records - 1)
      from jsonb_each(p_total)
      union all
      select key, (value ->> 'count')::bigint, value -> 'records' from jsonb_each(p_after.warnings)
      union all
      select key, -(value ->> 'count')::bigint, null from jsonb_each(p_before.warnings)
    )
    select coalesce(jsonb_object_agg(code, jsonb_build_object(
      'count', number, 'records', (
        select coalesce(jsonb_agg(record), '[]')
        from (
          select record::bigint
          from changes c, jsonb_array_elements(c.records) as record
          where c.code = totals.code order by record::bigint limit 5
        ) first
      ))), '{}')
    from (
      select code, sum(number) as number from changes group by code having sum(number) > 0
    ) totals
  );
end
$$;

-- Adds to the totals of an import what one of its parts has changed. The caller must have locked
-- the import.
create function public.count_part(p_before public.import_parts, p_after public.import_parts)
returns void
language plpgsql set search_path = ''
as $$
begin
  update public.imports i
  set parts_done = i.parts_done + (p_after.state = 'done')::integer
        - (p_before.state = 'done')::integer,
      parts_failed = i.parts_failed + (p_after.state = 'failed')::integer
        - (p_before.state = 'failed')::integer,
      parts_cancelled = i.parts_cancelled + (p_after.state = 'cancelled')::integer
        - (p_before.state = 'cancelled')::integer,
      imported = i.imported + p_after.imported - p_before.imported,
      rejected = i.rejected + p_after.rejected - p_before.rejected,
      skipped = i.skipped + p_after.skipped - p_before.skipped,
      rejected_codes = public.change_codes(
        i.rejected_codes, p_before.rejected_codes, p_after.rejected_codes),
      skipped_codes = public.change_codes(
        i.skipped_codes, p_before.skipped_codes, p_after.skipped_codes),
      warnings = public.change_warnings(i.warnings, p_before, p_after)
  where i.id = p_after.import_id;
  update public.imports i
  set ignored = (
    select jsonb_agg(name order by name)
    from (
      select jsonb_array_elements_text(i.ignored) as name
      union
      select jsonb_array_elements_text(p_after.ignored)
      order by name limit 101
    ) names
  )
  where i.id = p_after.import_id and p_after.ignored is not null
    and not coalesce(i.ignored, '[]') @> p_after.ignored;
end
$$;

-- Sets the totals of an import anew from its parts, after many of them have changed. The caller
-- must have locked the import.
create function public.recount_import(p_import uuid) returns void
language sql set search_path = ''
as $$
  update public.imports i
  set parts_total = p.total, parts_done = p.done, parts_failed = p.failed,
      parts_cancelled = p.cancelled,
      imported = p.imported, rejected = p.rejected, skipped = p.skipped,
      rejected_codes = (
        select coalesce(jsonb_object_agg(total.code, total.number), '{}')
        from (
          select n.key as code, sum(n.value::bigint) as number
          from public.import_parts c, jsonb_each_text(c.rejected_codes) n
          where c.import_id = p_import
          group by n.key
        ) total
      ),
      skipped_codes = (
        select coalesce(jsonb_object_agg(total.code, total.number), '{}')
        from (
          select n.key as code, sum(n.value::bigint) as number
          from public.import_parts c, jsonb_each_text(c.skipped_codes) n
          where c.import_id = p_import
          group by n.key
        ) total
      ),
      warnings = (
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
          where c.import_id = p_import
          group by w.key
        ) total
      )
  from (
    select count(*) as total,
           count(*) filter (where state = 'done') as done,
           count(*) filter (where state = 'failed') as failed,
           count(*) filter (where state = 'cancelled') as cancelled,
           coalesce(sum(imported), 0) as imported, coalesce(sum(rejected), 0) as rejected,
           coalesce(sum(skipped), 0) as skipped
    from public.import_parts where import_id = p_import
  ) p
  where i.id = p_import
$$;

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
        id, source, format, plan, object, bytes, records, message_id, small,
        dry_run, sha256, received, detected, ignored, idempotency_key, fingerprint, notify,
        parts_total
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'plan', 'null'),
        p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
        (p_message ->> 'message_id')::uuid, coalesce((p_import ->> 'small')::boolean, false),
        coalesce((p_import ->> 'dry_run')::boolean, false), p_import ->> 'sha256',
        (p_import ->> 'received')::bigint, nullif(p_import -> 'detected', 'null'),
        nullif(p_import -> 'ignored', 'null'), p_import ->> 'idempotency_key',
        p_import ->> 'fingerprint', nullif(p_import -> 'notify', 'null'),
        jsonb_array_length(p_parts)
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

-- Marks a part as done. p_skipped has the numbers of skipped rows by code, p_warnings the warnings.
-- Rejections are counted as stored, so if one is missing, the constraint
-- every_record_is_accounted_for refuses the update. A rejected record that is a contact counts as
-- imported. Returns what part_ended returns; raises CI003 and PT409.
create or replace function public.finish_part(
  p_import uuid, p_part integer, p_attempt uuid, p_imported bigint, p_rejected bigint,
  p_ignored jsonb default null, p_skipped jsonb default null, p_warnings jsonb default null
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts := public.lock_part(p_import, p_part, p_attempt);
  v_done public.import_parts;
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
    where import_id = p_import and part = p_part
    returning * into v_done;
    perform public.count_part(v_part, v_done);
  end if;
  return public.part_ended(p_import, p_part, 'done', v_part.state = 'importing');
end
$$;

-- Sets the state of parts that are not done, and counts what their attempts have written: of all
-- parts in p_states, or only p_part if it is in one of them. Returns whether there was any. The
-- caller must have locked the import.
create or replace function public.stop_parts(
  p_import uuid, p_states text[], p_part integer, p_state text, p_code text, p_failure text
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_stopped public.import_parts;
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
    where import_id = p_import and part = v_part.part
    returning * into v_stopped;
    if p_part is not null then
      perform public.count_part(v_part, v_stopped);
    end if;
  end loop;
  if p_part is null and v_any then
    perform public.recount_import(p_import);
  end if;
  return v_any;
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
      attempt = null, message_id = null, retries = 0, stops = 0, failure_code = null,
      failure = null,
      finished_at = null
  where import_id = p_import and state = 'failed';
  perform public.recount_import(p_import);
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

-- Sets the state to undoing and queues the undo message. Parts that were never started have nothing
-- to remove.
create or replace function public.begin_undo(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_message jsonb;
begin
  update public.imports set state = 'undoing', undo_failure = null
  where id = p_import returning undo into v_message;
  update public.import_parts set state = 'undone' where import_id = p_import and started_at is null;
  perform public.recount_import(p_import);
  perform public.enqueue_message(v_message);
  return 'undoing';
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
  v_undone public.import_parts;
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
    where import_id = p_import and part = v_part.part
    returning * into v_undone;
    perform public.count_part(v_part, v_undone);
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
    'imported', i.imported, 'rejected', i.rejected, 'skipped', i.skipped,
    'not_processed', i.records - i.imported - i.rejected - i.skipped,
    'rejected_codes', i.rejected_codes, 'skipped_codes', i.skipped_codes,
    'warnings', i.warnings, 'plan_warnings', coalesce(i.plan -> 'warnings', '[]'),
    'parts_total', i.parts_total, 'parts_done', i.parts_done,
    'parts_failed', i.parts_failed, 'parts_cancelled', i.parts_cancelled,
    'sha256', i.sha256, 'received', i.received, 'detected', i.detected,
    'ignored', (
      select coalesce(jsonb_agg(name order by name), '[]')
      from (
        select name from jsonb_array_elements_text(i.ignored) as name order by name limit 101
      ) names
    ),
    'failure', coalesce(i.undo_failure - 'at', (
      select jsonb_build_object('code', f.failure_code, 'detail', f.failure, 'part', f.part)
      from public.import_parts f
      where f.import_id = i.id and f.state = 'failed' order by f.part limit 1
    ))
  )
  from public.imports i
  where i.id = p_import
$$;

-- The totals of the imports that there are.
select public.recount_import(id) from public.imports;
update public.imports i
set ignored = found.names
from (
  select p.import_id, jsonb_agg(distinct name) as names
  from public.import_parts p, jsonb_array_elements_text(p.ignored) as name
  group by p.import_id
) found
where i.id = found.import_id and i.ignored is null;

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.change_codes', 'public.change_warnings', 'public.count_part', 'public.recount_import'
  ]::regproc[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- PostgREST caches the schema.
notify pgrst, 'reload schema';
