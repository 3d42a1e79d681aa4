-- The moves of an import:
--
--   queued -> importing -> completed | failed        failed -> queued          (retry_import)
--   queued | importing -> cancelling -> cancelled                              (cancel_import)
--   completed | failed | cancelled -> undoing -> undone                        (undo_import)
--
-- Illegal ones are refused with SQLSTATE PT409. Contacts are refused with codes that no trigger of
-- somebody's would raise for a row: CI001 if their part is not being imported, CI002 if its
-- import is being cancelled; then the worker has to end the part with cancel_part.

-- Tells null if this request has recorded the import. If its idempotency key is taken, tells which
-- import has it, and whether that one asked for the same: then it is shared, and cannot be
-- taken back by the request that recorded it.
drop function public.create_import(jsonb, jsonb, jsonb);

create function public.create_import(p_import jsonb, p_parts jsonb, p_message jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_id uuid := (p_import ->> 'id')::uuid;
  v_constraint text;
  v_taken jsonb;
begin
  perform public.lock_import(v_id);
  if exists (select from public.discarded_imports where id = v_id) then
    raise sqlstate 'PT409' using message = format('import %s was taken back', v_id);
  end if;
  loop
    begin
      insert into public.imports (
        id, source, format, layout, object, bytes, records, message_id,
        dry_run, sha256, received, detected, ignored, idempotency_key, fingerprint, notify
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'layout', 'null'),
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
    -- The one that had the key was taken back in this moment.
  end loop;
  insert into public.import_parts (import_id, part, byte_start, byte_end, first_record, records)
  select v_id, t.part, t.byte_start, t.byte_end, t.first_record, t.records
  from jsonb_to_recordset(p_parts)
    as t (part integer, byte_start bigint, byte_end bigint, first_record bigint, records bigint);
  perform public.enqueue_message(p_message);
  return null;
end
$$;

-- The import with this idempotency key, and whether it was asked for by the same request; null if
-- there is none.
create function public.join_import(p_key text, p_fingerprint text) returns jsonb
language sql set search_path = ''
as $$
  update public.imports
  set joined = joined or fingerprint is not distinct from p_fingerprint
  where idempotency_key = p_key
  returning jsonb_build_object('id', id, 'same', fingerprint is not distinct from p_fingerprint)
$$;

-- As before, but not an import that another request was answered with, nor one that is queued again.
create or replace function public.discard_import(p_import uuid) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_message uuid;
begin
  perform public.lock_import(p_import);
  delete from public.imports
  where id = p_import and state = 'queued' and started_at is null and not joined
  returning message_id into v_message;
  delete from dramatiq.queue where message_id = v_message and state = 'queued';
  if exists (select from public.imports where id = p_import) then
    return true;
  end if;
  insert into public.discarded_imports (id) values (p_import) on conflict do nothing;
  delete from public.discarded_imports where discarded_at < clock_timestamp() - interval '1 day';
  return false;
end
$$;

-- The id of an import's contact, as config/ids.py computes it.
create function public.contact_id(p_import uuid, p_record bigint) returns uuid
language sql immutable parallel safe
as $$
  select (overlay(left(p_import::text, 27) placing '8' from 15) || lpad(to_hex(p_record), 9, '0'))::uuid
$$;

-- Whether a part's contacts are in the table can only be counted once nobody writes any: call it
-- with the part's row locked, and in a statement of its own.
create function public.contacts_in(p_part public.import_parts) returns bigint
language sql stable set search_path = ''
as $$
  select count(*) from public.contacts
  where id between public.contact_id(p_part.import_id, p_part.first_record)
    and public.contact_id(p_part.import_id, p_part.first_record + p_part.records - 1)
$$;

-- Rejections of which the record is a contact after all are out of date: the database refused the
-- record once, and took it later.
create function public.rejections_in(p_part public.import_parts) returns bigint
language sql set search_path = ''
as $$
  with outdated as (
    delete from public.import_rejections r
    using public.contacts c
    where r.import_id = p_part.import_id
      and r.record between p_part.first_record and p_part.first_record + p_part.records - 1
      and c.id = public.contact_id(r.import_id, r.record)
    returning r.record
  )
  select count(*) from public.import_rejections r
  where r.import_id = p_part.import_id
    and r.record between p_part.first_record and p_part.first_record + p_part.records - 1
    and not exists (select from outdated o where o.record = r.record)
$$;

-- Ends parts before their time, with what of them is in the tables.
create function public.stop_parts(
  p_import uuid, p_states text[], p_part integer, p_state text, p_code text, p_failure text
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_any boolean := false;
begin
  for v_part in
    select * from public.import_parts
    where import_id = p_import and state = any (p_states) and (p_part is null or part = p_part)
    order by part
    for update
  loop
    v_any := true;
    update public.import_parts
    set state = p_state, failure_code = p_code, failure = p_failure,
        imported = case when v_part.started_at is null then 0 else public.contacts_in(v_part) end,
        rejected = case when v_part.started_at is null then 0 else public.rejections_in(v_part) end,
        finished_at = clock_timestamp()
    where import_id = p_import and part = v_part.part;
  end loop;
  return v_any;
end
$$;

create or replace function public.fail_part(
  p_import uuid, p_part integer, p_code text, p_failure text
) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform from public.imports where id = p_import for no key update;
  return public.part_ended(p_import, p_part, 'failed', public.stop_parts(
    p_import, '{queued,importing}', p_part, 'failed', p_code, p_failure));
end
$$;

create function public.cancel_part(p_import uuid, p_part integer) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform from public.imports where id = p_import and state = 'cancelling' for no key update;
  return public.part_ended(p_import, p_part, 'cancelled', case when found then public.stop_parts(
    p_import, '{queued,importing}', p_part, 'cancelled', null, null) else false end);
end
$$;

drop function public.finish_part(uuid, integer, bigint, bigint);

create function public.finish_part(
  p_import uuid, p_part integer, p_imported bigint, p_rejected bigint, p_ignored jsonb default null
) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform from public.imports where id = p_import for no key update;
  update public.import_parts
  set state = 'done', imported = p_imported, rejected = p_rejected,
      ignored = nullif(p_ignored, 'null'), finished_at = clock_timestamp()
  where import_id = p_import and part = p_part and state = 'importing';
  return public.part_ended(p_import, p_part, 'done', found);
end
$$;

create or replace function public.close_import(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
begin
  -- The lock makes finishers queue up, so that the last one sees all the others' work.
  select * into v_import from public.imports where id = p_import for no key update;
  if v_import.state is null or v_import.state not in ('importing', 'cancelling') or exists (
    select from public.import_parts
    where import_id = p_import and state in ('queued', 'importing')
  ) then
    return v_import.state;
  end if;
  update public.imports
  set state = case
        when v_import.state = 'cancelling' then 'cancelled'
        when exists (
          select from public.import_parts where import_id = p_import and state = 'failed'
        ) then 'failed'
        else 'completed' end,
      finished_at = clock_timestamp()
  where id = p_import
  returning * into v_import;
  if v_import.notify is not null then
    perform public.enqueue_message(v_import.notify -> 'message');
  end if;
  if v_import.undo is not null then
    return public.begin_undo(p_import);
  end if;
  return v_import.state;
end
$$;

-- Of parts that were never begun there is nothing to remove.
create function public.begin_undo(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_message jsonb;
begin
  update public.imports set state = 'undoing' where id = p_import returning undo into v_message;
  update public.import_parts set state = 'undone' where import_id = p_import and started_at is null;
  perform public.enqueue_message(v_message);
  return 'undoing';
end
$$;

-- As before, with whether it is a dry run. A part of an import that is being cancelled ends here.
create or replace function public.start_part(
  p_import uuid, p_part integer, p_max_attempts integer, p_alone boolean default true,
  p_attempt uuid default gen_random_uuid()
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_attempts integer;
begin
  if exists (
    select from public.imports i join public.import_parts p on p.import_id = i.id
    where i.id = p_import and i.state = 'cancelling'
      and p.part = p_part and p.state in ('queued', 'importing')
  ) then
    return jsonb_build_object('cancelled', public.cancel_part(p_import, p_part));
  end if;
  if not p_alone and exists (
    select from public.import_parts
    where import_id = p_import and part = p_part and state in ('queued', 'importing')
      and attempts > 0 and attempt is distinct from p_attempt
  ) then
    return jsonb_build_object('suspect', true);
  end if;
  update public.imports
  set state = 'importing', started_at = coalesce(started_at, clock_timestamp())
  where id = p_import and state = 'queued';
  update public.import_parts
  set state = 'importing',
      attempts = attempts + case when attempt is distinct from p_attempt then 1 else 0 end,
      attempt = p_attempt,
      started_at = coalesce(started_at, clock_timestamp())
  where import_id = p_import and part = p_part and state in ('queued', 'importing')
  returning attempts into v_attempts;
  if v_attempts is null then
    return null;
  end if;
  if v_attempts > p_max_attempts then
    return jsonb_build_object('given_up', public.fail_part(
      p_import, p_part, 'attempts_exhausted',
      format('The part was begun %s times and never came to an end: its workers died or hung.',
             p_max_attempts)));
  end if;
  return (
    select jsonb_build_object(
      'source', i.source, 'format', i.format, 'layout', i.layout, 'object', i.object,
      'dry_run', i.dry_run,
      'byte_start', p.byte_start, 'byte_end', p.byte_end,
      'first_record', p.first_record, 'records', p.records)
    from public.imports i join public.import_parts p on p.import_id = i.id
    where p.import_id = p_import and p.part = p_part
  );
end
$$;

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
    'parts', (
      select coalesce(jsonb_agg(part order by part), '[]')
      from public.import_parts where import_id = p_import and state in ('queued', 'importing')
    )
  );
end
$$;

-- As before; the line names the part as well (import, part). Nothing is written for a part that has
-- ended, whatever became of it: its counts are made, or its contacts removed. The lock makes
-- whoever ends it wait for the batches that are on their way.
create or replace function public.write_contacts(text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_head jsonb := split_part($1, E'\n', 1)::jsonb;
  v_import uuid := v_head ->> 'import';
  v_part integer := v_head ->> 'part';
  v_prefix text := v_head ->> 'prefix';
  v_first bigint := v_head ->> 'first_record';
  v_source text := v_head ->> 'source';
  v_fields text[] := string_to_array(
    substr($1, strpos($1, E'\n') + 1), v_head ->> 'delimiter', '');
  v_end jsonb := v_head -> 'finish';
begin
  perform from public.import_parts
  where import_id = v_import and part = v_part and state = 'importing' for share;
  if not found then
    -- It may have ended with this very request, of which the answer was lost.
    if v_end is null then
      raise sqlstate 'CI001' using message = format(
        'part %s of import %s is not being imported', v_part, v_import);
    end if;
    return public.part_ended(v_import, v_part, 'done', false);
  end if;
  if exists (select from public.imports where id = v_import and state = 'cancelling') then
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
      v_import, v_part, (v_end ->> 'imported')::bigint, (v_end ->> 'rejected')::bigint,
      v_end -> 'ignored');
  end if;
  return null;
end
$$;

-- Stops an import between its batches; what is in stays. Parts that wait end here, those in work when
-- their workers ask next. Tells the import, or null if it is unknown.
create function public.cancel_import(p_import uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  select state into v_state from public.imports where id = p_import for no key update;
  if v_state in ('queued', 'importing') then
    update public.imports set state = 'cancelling' where id = p_import;
    perform public.stop_parts(p_import, '{queued}', null, 'cancelled', null, null);
    perform public.close_import(p_import);
  elsif v_state not in ('cancelling', 'cancelled') then
    raise sqlstate 'PT409' using message = format('import %s has ended: it is %s', p_import, v_state);
  end if;
  return public.get_import(p_import);
end
$$;

-- Queues the failed parts again, and only those, by a message that is new for each retry; the same
-- message again changes nothing.
create function public.retry_import(p_import uuid, p_message jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
begin
  select * into v_import from public.imports where id = p_import for no key update;
  if v_import.message_id = (p_message ->> 'message_id')::uuid then
    return public.get_import(p_import);
  end if;
  if v_import.state <> 'failed' then
    raise sqlstate 'PT409' using message = format(
      'import %s has not failed: it is %s', p_import, v_import.state);
  end if;
  delete from public.import_rejections r using public.import_parts p
  where p.import_id = p_import and p.state = 'failed' and r.import_id = p_import
    and r.record between p.first_record and p.first_record + p.records - 1;
  update public.import_parts
  set state = 'queued', imported = 0, rejected = 0, attempts = 0, attempt = null, retries = 0,
      failure_code = null, failure = null, finished_at = null
  where import_id = p_import and state = 'failed';
  update public.imports
  set state = 'queued', finished_at = null, message_id = (p_message ->> 'message_id')::uuid
  where id = p_import and v_import.id is not null;
  if found then
    perform public.enqueue_message(p_message);
  end if;
  return public.get_import(p_import);
end
$$;

-- Has all of an import removed again, by the message's actor; an import that runs is cancelled first.
create function public.undo_import(p_import uuid, p_message jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  update public.imports set undo = coalesce(undo, p_message) where id = p_import
  returning state into v_state;
  if v_state in ('queued', 'importing', 'cancelling') then
    perform public.cancel_import(p_import);
  elsif v_state in ('completed', 'failed', 'cancelled') then
    perform public.begin_undo(p_import);
  end if;
  return public.get_import(p_import);
end
$$;

-- Removes the next few contacts of an import that is being undone, by their range of the primary
-- key, and a part's rejections with its last ones; false when nothing is left. Two looks at that range:
-- with "id in (select ... limit)", Postgres may read all of the table to join it to the few.
create function public.undo_some(p_import uuid, p_limit integer) returns boolean
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
  where import_id = p_import and state <> 'undone' order by part limit 1 for update;
  if not found then
    return false;
  end if;
  v_from := public.contact_id(p_import, v_part.first_record);
  v_to := public.contact_id(p_import, v_part.first_record + v_part.records - 1);
  select id into v_last from public.contacts
  where id between v_from and v_to order by id offset p_limit - 1 limit 1;
  delete from public.contacts where id between v_from and coalesce(v_last, v_to);
  if v_last is null then
    delete from public.import_rejections
    where import_id = p_import
      and record between v_part.first_record and v_part.first_record + v_part.records - 1;
    update public.import_parts
    set state = 'undone', imported = 0, rejected = 0, failure_code = null, failure = null
    where import_id = p_import and part = v_part.part;
  end if;
  return true;
end
$$;

-- After the object is gone too.
create function public.finish_undo(p_import uuid) returns void
language sql set search_path = ''
as $$
  update public.imports set state = 'undone'
  where id = p_import and state = 'undoing' and not exists (
    select from public.import_parts where import_id = p_import and state <> 'undone')
$$;

-- Messages of undos that are not on the queue any more are put there again; those that are stay.
create function public.queue_undos() returns void
language sql set search_path = ''
as $$
  select public.enqueue_message(undo) from public.imports where state = 'undoing'
$$;

-- As before, and those that are being cancelled.
create or replace function public.lost_imports(p_after uuid, p_limit integer) returns setof uuid
language sql stable security definer set search_path = ''
as $$
  with live as materialized (
    select message #>> '{args,0}' as import, message #>> '{args,1}' as part
    from dramatiq.queue where state in ('queued', 'consumed')
  ),
  alone as (
    select i.id from public.imports i
    where i.state in ('queued', 'importing', 'cancelling')
      and not exists (select from live where live.import = i.id::text and live.part is null)
  ),
  open_parts as (
    select p.import_id, p.part from public.import_parts p
    where p.import_id in (select id from alone) and p.state in ('queued', 'importing')
  )
  select a.id from alone a
  where a.id > p_after and (
    not exists (select from open_parts o where o.import_id = a.id)
    or exists (
      select from open_parts o
      where o.import_id = a.id and not exists (
        select from live where live.import = o.import_id::text and live.part = o.part::text)
    )
  )
  order by a.id
  limit p_limit
$$;

create or replace function public.get_import(p_import uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', i.id, 'source', i.source, 'format', i.format, 'state', i.state, 'dry_run', i.dry_run,
    'created_at', i.created_at, 'started_at', i.started_at, 'finished_at', i.finished_at,
    'seconds', extract(epoch from coalesce(i.finished_at, clock_timestamp()) - i.started_at),
    'bytes', i.bytes, 'records', i.records,
    'imported', coalesce(p.imported, 0), 'rejected', coalesce(p.rejected, 0),
    'not_processed', coalesce(p.not_processed, 0),
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
    'failure', (
      select jsonb_build_object('code', f.failure_code, 'detail', f.failure, 'part', f.part)
      from public.import_parts f
      where f.import_id = i.id and f.state = 'failed' order by f.part limit 1
    )
  )
  from public.imports i
  left join lateral (
    select sum(imported) as imported, sum(rejected) as rejected,
           sum(not_processed) as not_processed, count(*) as total,
           count(*) filter (where state = 'done') as done,
           count(*) filter (where state = 'failed') as failed,
           count(*) filter (where state = 'cancelled') as cancelled
    from public.import_parts where import_id = i.id
  ) p on true
  where i.id = p_import
$$;

-- Newest first; null for a filter lets all through.
create function public.list_imports(p_state text, p_source text, p_before uuid, p_limit integer)
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(public.get_import(id) order by id desc), '[]')
  from (
    select id from public.imports
    where (p_state is null or state = p_state)
      and (p_source is null or source = p_source)
      and (p_before is null or id < p_before)
    order by id desc
    limit p_limit
  ) page
$$;

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.create_import(jsonb, jsonb, jsonb)', 'public.join_import(text, text)',
    'public.contact_id(uuid, bigint)', 'public.contacts_in(public.import_parts)',
    'public.rejections_in(public.import_parts)',
    'public.stop_parts(uuid, text[], integer, text, text, text)',
    'public.cancel_part(uuid, integer)', 'public.finish_part(uuid, integer, bigint, bigint, jsonb)',
    'public.begin_undo(uuid)', 'public.cancel_import(uuid)', 'public.retry_import(uuid, jsonb)',
    'public.undo_import(uuid, jsonb)', 'public.undo_some(uuid, integer)',
    'public.finish_undo(uuid)', 'public.queue_undos()',
    'public.list_imports(text, text, uuid, integer)'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
