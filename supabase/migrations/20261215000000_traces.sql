-- Traces: an import keeps the request that made it, so that workers continue its trace.

alter table public.imports add column traceparent text;
comment on column public.imports.traceparent is
  'the request that made it, or retried it last, in its trace (W3C Trace Context); null if that '
  'was not traced';

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
        parts_total, created_by, traceparent
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'plan', 'null'),
        p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
        (p_message ->> 'message_id')::uuid, coalesce((p_import ->> 'small')::boolean, false),
        coalesce((p_import ->> 'dry_run')::boolean, false), p_import ->> 'sha256',
        (p_import ->> 'received')::bigint, nullif(p_import -> 'detected', 'null'),
        nullif(p_import -> 'ignored', 'null'), p_import ->> 'idempotency_key',
        p_import ->> 'fingerprint', nullif(p_import -> 'notify', 'null'),
        jsonb_array_length(p_parts), p_import ->> 'created_by',
        p_message #>> '{options,traceparent}'
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

-- Assigns a part to an attempt, which owns it from now on: the part of lock_part_of_message, or
-- exactly p_part if p_message is null, as workers of version 0.1 call it. Returns the part and what
-- is needed to process it; null if no part is left for the message. The same attempt may call it
-- again. p_ended lists attempts whose orderly end could not be recorded when it happened, because
-- the database was unavailable.
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
  p_alone boolean default true, p_ended uuid[] default '{}', p_message uuid default null
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
  v_part public.import_parts;
  v_open uuid[];
  v_where jsonb;
begin
  if p_message is null then
    perform from public.imports where id = p_import for no key update;
    select * into v_part from public.import_parts
    where import_id = p_import and part = p_part for no key update;
  else
    v_part := public.lock_part_of_message(p_message, p_import, p_part);
  end if;
  if v_part.state is null or v_part.state not in ('queued', 'importing') then
    return null;
  end if;
  select * into v_import from public.imports where id = v_part.import_id;
  v_where := jsonb_build_object(
    'import', v_part.import_id, 'part', v_part.part, 'traceparent', v_import.traceparent);
  if v_import.state = 'cancelling' then
    return v_where || jsonb_build_object('cancelled', public.part_ended(
      v_import.id, v_part.part, 'cancelled', public.stop_parts(
        v_import.id, '{queued,importing}', v_part.part, 'cancelled', null, null)));
  end if;
  v_open := array(
    select attempt from unnest(v_part.open_attempts) as open (attempt)
    where attempt <> p_attempt and attempt <> all (p_ended));
  if not p_alone and cardinality(v_open) >= greatest(1, least(2, p_max_attempts - 1)) then
    update public.import_parts
    set open_attempts = v_open, message_id = coalesce(p_message, message_id)
    where import_id = v_import.id and part = v_part.part;
    return v_where || jsonb_build_object('suspect', true);
  end if;
  update public.imports
  set state = 'importing', started_at = coalesce(started_at, clock_timestamp()),
      served_at = clock_timestamp()
  where id = v_import.id;
  insert into public.import_sources as o (source, served_at)
  values (v_import.source, clock_timestamp())
  on conflict (source) do update set served_at = excluded.served_at;
  if cardinality(v_open) >= p_max_attempts then
    return v_where || jsonb_build_object('given_up', public.part_ended(
      v_import.id, v_part.part, 'failed', public.stop_parts(
        v_import.id, '{queued,importing}', v_part.part, 'failed', 'attempts_exhausted',
        format('The part was started %s times and never finished: its workers died or hung.',
               p_max_attempts))));
  end if;
  if v_part.started_at is not null and v_part.attempt is distinct from p_attempt then
    perform public.clear_rejections(v_part);
  end if;
  update public.import_parts
  set state = 'importing', attempt = p_attempt, open_attempts = v_open || p_attempt,
      message_id = coalesce(p_message, message_id),
      started_at = coalesce(started_at, clock_timestamp())
  where import_id = v_import.id and part = v_part.part;
  return v_where || jsonb_build_object(
    'source', v_import.source, 'format', v_import.format, 'plan', v_import.plan,
    'object', v_import.object, 'object_bytes', v_import.bytes, 'dry_run', v_import.dry_run,
    'byte_start', v_part.byte_start, 'byte_end', v_part.byte_end,
    'first_record', v_part.first_record, 'records', v_part.records,
    'rerun', v_part.started_at is not null);
end
$$;

-- Queues the failed parts again, and only those. The message is new for each retry; a call with the
-- same message changes nothing. Counts the retry in generation, from which part messages are
-- computed, so that a part's old message, which is possibly just being acknowledged, does not
-- replace the new one. From now on the import's work belongs to the trace of the retry. Returns the
-- import as get_import does; null if it is unknown. Raises PT409 if the import has not failed.
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
      message_id = (p_message ->> 'message_id')::uuid,
      traceparent = p_message #>> '{options,traceparent}',
      notify = jsonb_set(notify, '{message,options}', coalesce(p_message -> 'options', '{}'))
  where id = p_import and v_import.id is not null;
  if found then
    perform public.enqueue_message(p_message);
  end if;
  return public.get_import(p_import);
end
$$;
