-- Every move of an import or a part is one of these functions. An illegal one is refused with
-- SQLSTATE PT409, which PostgREST answers as 409. All are safe to call again when an answer was lost.

-- The message goes into dramatiq-pg's table in the caller's transaction, so that recording and
-- queueing are one step. A message that is already there is left alone.
create function public.enqueue_message(p_message jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  insert into dramatiq.queue (queue_name, message_id, state, message)
  values (p_message ->> 'queue_name', (p_message ->> 'message_id')::uuid, 'queued', p_message)
  on conflict (message_id) do nothing;
  if found then
    perform pg_notify(format('dramatiq.%s.enqueue', p_message ->> 'queue_name'), p_message::text);
  end if;
end
$$;

create function public.create_import(p_import jsonb, p_parts jsonb, p_message jsonb) returns void
language plpgsql set search_path = ''
as $$
declare
  v_id uuid := (p_import ->> 'id')::uuid;
begin
  insert into public.imports (id, source, format, layout, object, bytes, records, message_id)
  values (
    v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'layout', 'null'),
    p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
    (p_message ->> 'message_id')::uuid
  )
  on conflict (id) do nothing;
  if not found then
    return;
  end if;
  insert into public.import_parts (import_id, part, byte_start, byte_end, first_record, records)
  select v_id, t.part, t.byte_start, t.byte_end, t.first_record, t.records
  from jsonb_to_recordset(p_parts)
    as t (part integer, byte_start bigint, byte_end bigint, first_record bigint, records bigint);
  perform public.enqueue_message(p_message);
end
$$;

-- Takes back an import of which the service does not know whether it was recorded. Tells whether it
-- goes on all the same, because a worker has begun it.
create function public.discard_import(p_import uuid) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_message uuid;
begin
  delete from public.imports where id = p_import and state = 'queued' returning message_id into v_message;
  delete from dramatiq.queue where message_id = v_message and state = 'queued';
  return exists (select from public.imports where id = p_import);
end
$$;

-- Closes the import if none of its parts is left to do; tells its state.
create function public.close_import(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  -- The lock makes finishers queue up, so that the last one sees all the others' work.
  select state into v_state from public.imports where id = p_import for update;
  if v_state is distinct from 'importing' or exists (
    select from public.import_parts
    where import_id = p_import and state in ('queued', 'importing')
  ) then
    return v_state;
  end if;
  update public.imports
  set state = case when exists (
        select from public.import_parts where import_id = p_import and state = 'failed'
      ) then 'failed' else 'completed' end,
      finished_at = clock_timestamp()
  where id = p_import
  returning state into v_state;
  return v_state;
end
$$;

-- What a worker needs to hand out the parts: null if the import is unknown. Closes an empty import.
create function public.start_import(p_import uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  update public.imports
  set state = 'importing', started_at = clock_timestamp()
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

create function public.queue_messages(p_messages jsonb) returns void
language sql set search_path = ''
as $$
  select public.enqueue_message(message) from jsonb_array_elements(p_messages) as message
$$;

create function public.fail_part(p_import uuid, p_part integer, p_code text, p_failure text)
returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform from public.imports where id = p_import for update;
  update public.import_parts
  set state = 'failed', failure_code = p_code, failure = p_failure, finished_at = clock_timestamp()
  where import_id = p_import and part = p_part and state in ('queued', 'importing');
  return public.part_ended(p_import, p_part, 'failed', found);
end
$$;

create function public.finish_part(
  p_import uuid, p_part integer, p_imported bigint, p_rejected bigint
) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform from public.imports where id = p_import for update;
  update public.import_parts
  set state = 'done', imported = p_imported, rejected = p_rejected, finished_at = clock_timestamp()
  where import_id = p_import and part = p_part and state = 'importing';
  return public.part_ended(p_import, p_part, 'done', found);
end
$$;

-- How a part's end went. Ending again in the same state changes nothing; another end is refused.
create function public.part_ended(p_import uuid, p_part integer, p_state text, p_moved boolean)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_part text;
  v_before text;
  v_after text;
begin
  select state into v_part from public.import_parts where import_id = p_import and part = p_part;
  if v_part is distinct from p_state then
    raise sqlstate 'PT409' using message = format(
      'part %s of import %s cannot become %s: it is %s', p_part, p_import, p_state,
      coalesce(v_part, 'unknown'));
  end if;
  select state into v_before from public.imports where id = p_import;
  v_after := public.close_import(p_import);
  return (
    select jsonb_build_object(
      'moved', p_moved,
      'state', v_after,
      'closed', v_after is distinct from v_before,
      'seconds', extract(epoch from finished_at - created_at)
    )
    from public.imports where id = p_import
  );
end
$$;

-- Gives a worker what it needs to run a part, or null if there is nothing to run: unknown or ended.
-- Counts the attempt first, because a worker that dies leaves no other trace.
create function public.start_part(p_import uuid, p_part integer, p_max_attempts integer)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_attempts integer;
begin
  update public.import_parts
  set state = 'importing', attempts = attempts + 1,
      started_at = coalesce(started_at, clock_timestamp())
  where import_id = p_import and part = p_part and state in ('queued', 'importing')
  returning attempts into v_attempts;
  if v_attempts is null then
    return null;
  end if;
  if v_attempts > p_max_attempts then
    perform public.fail_part(
      p_import, p_part, 'attempts_exhausted',
      format('The part was begun %s times and never came to an end: its workers died or hung.',
             p_max_attempts));
    return null;
  end if;
  return (
    select jsonb_build_object(
      'source', i.source, 'format', i.format, 'layout', i.layout, 'object', i.object,
      'byte_start', p.byte_start, 'byte_end', p.byte_end,
      'first_record', p.first_record, 'records', p.records)
    from public.imports i join public.import_parts p on p.import_id = i.id
    where p.import_id = p_import and p.part = p_part
  );
end
$$;

-- An orderly stop because something the part needs is away: no attempt lost, but the retries told.
create function public.postpone_part(p_import uuid, p_part integer) returns integer
language sql set search_path = ''
as $$
  update public.import_parts
  set state = 'queued', attempts = greatest(attempts - 1, 0), retries = retries + 1
  where import_id = p_import and part = p_part and state = 'importing'
  returning retries
$$;

-- The import as GET /import/{jobId} shows it; null if unknown.
create function public.get_import(p_import uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', i.id, 'source', i.source, 'format', i.format, 'state', i.state,
    'created_at', i.created_at, 'started_at', i.started_at, 'finished_at', i.finished_at,
    'bytes', i.bytes, 'records', i.records,
    'imported', coalesce(p.imported, 0), 'rejected', coalesce(p.rejected, 0),
    'parts_total', coalesce(p.total, 0), 'parts_done', coalesce(p.done, 0),
    'parts_failed', coalesce(p.failed, 0),
    'failure', (
      select jsonb_build_object('code', f.failure_code, 'detail', f.failure, 'part', f.part)
      from public.import_parts f
      where f.import_id = i.id and f.state = 'failed' order by f.part limit 1
    )
  )
  from public.imports i
  left join lateral (
    select sum(imported) as imported, sum(rejected) as rejected, count(*) as total,
           count(*) filter (where state = 'done') as done,
           count(*) filter (where state = 'failed') as failed
    from public.import_parts where import_id = i.id
  ) p on true
  where i.id = p_import
$$;

-- True if the queue is there to be written to.
create function public.queue_ready() returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform from dramatiq.queue limit 1;
  return true;
end
$$;

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.enqueue_message(jsonb)', 'public.create_import(jsonb, jsonb, jsonb)',
    'public.discard_import(uuid)', 'public.close_import(uuid)', 'public.start_import(uuid)',
    'public.queue_messages(jsonb)', 'public.fail_part(uuid, integer, text, text)',
    'public.finish_part(uuid, integer, bigint, bigint)',
    'public.part_ended(uuid, integer, text, boolean)',
    'public.start_part(uuid, integer, integer)', 'public.postpone_part(uuid, integer)',
    'public.get_import(uuid)', 'public.queue_ready()'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
