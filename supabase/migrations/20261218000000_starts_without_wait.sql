-- The start of a part does not wait for the disk: one wait less for each import.

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
-- The commit does not wait for the disk. If a crash of Postgres loses it, everything is lost that the
-- attempt has committed since, and what it calls next raises CI003: the part is started again.
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
  perform set_config('synchronous_commit', 'off', true);
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

-- Prevents the end of a part until the end of a transaction that writes contacts or rejections of
-- it. Raises CI001, CI002 or CI003; CI003 also if the part waits again because a crash of
-- Postgres has lost its start.
create or replace function public.hold_part(p_import uuid, p_part integer, p_attempt uuid) returns void
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
