-- Starts a queued import, and closes it if no part is left to do. A part whose message is gone
-- waits for another one from now on. Returns the import's state, its generation (messages are
-- computed from it), whether it is small, and the numbers of the first waiting parts, for which
-- messages are to be queued: more would not be processed at the same time, and refill_queue adds
-- messages as parts end. Returns null if the import is unknown.
create function public.start_import(p_import uuid) returns jsonb
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
  update public.import_parts
  set state = 'queued', message_id = null
  where import_id = p_import and state in ('queued', 'importing')
    and not (state = 'queued' and message_id is null) and not public.is_pending(message_id);
  return jsonb_build_object(
    'state', v_state,
    'generation', (select generation from public.imports where id = p_import),
    'small', (select small from public.imports where id = p_import),
    'parts', (
      select coalesce(jsonb_agg(waiting.part order by waiting.part), '[]')
      from (
        select part from public.import_parts
        where import_id = p_import and state = 'queued' and message_id is null
        order by part limit 128
      ) waiting
    )
  );
end
$$;

-- Returns the next source after p_after, in alphabetical order and then from the beginning, that
-- has an open import among the small ones or the others; null if none has.
create function public.next_source(p_small boolean, p_after text) returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_source text;
begin
  select source into v_source from public.imports
  where small = p_small and state in ('queued', 'importing') and source > p_after
  order by source limit 1;
  if not found then
    select source into v_source from public.imports
    where small = p_small and state in ('queued', 'importing')
    order by source limit 1;
  end if;
  return v_source;
end
$$;

-- Returns the waiting part that is to be processed next, of the small imports or of the others: of
-- the source with the fewest parts in progress, and of its import with the fewest; among equals, of
-- the one that was served longest ago. Null if no part is waiting. Its cost does not grow with the
-- number of imports: it looks at 50 sources, beginning after the one that was served last, and at
-- the oldest imports of each; at further sources only if all parts of these 50 are in progress.
-- Small imports are many and have one part each: any of the oldest will do, so that workers do not
-- wait for each other.
create function public.next_part(p_small boolean) returns public.import_parts
language plpgsql stable set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_first text := public.next_source(p_small, coalesce(
    (select source from public.import_sources order by served_at desc limit 1), ''));
  v_from text := v_first;
  v_sources text[];
begin
  while v_from is not null loop
    with recursive sources (source, number) as (
      select v_from, 1
      union all
      select next.source, next.number
      from (
        select public.next_source(p_small, source) as source, number + 1 as number
        from sources where number < 50
      ) next
      where next.source <> v_first
    )
    select array_agg(source order by number) into v_sources from sources;
    with running as materialized (
      select i.source, r.import_id, count(*) as parts
      from public.import_parts r
      join public.imports i on i.id = r.import_id
      where r.state = 'importing' and i.small = p_small
      group by i.source, r.import_id
    )
    select p.* into v_part
    from unnest(v_sources) as s (source)
    cross join lateral (
      select i.id, w.part, i.served_at
      from public.imports i
      cross join lateral (
        select part from public.import_parts
        where import_id = i.id and state = 'queued' and message_id is null
        order by part limit 1
      ) w
      where i.small = p_small and i.source = s.source and i.state in ('queued', 'importing')
      order by i.id limit case when p_small then 4 else 16 end
    ) waiting
    join public.import_parts p on p.import_id = waiting.id and p.part = waiting.part
    left join public.import_sources o on o.source = s.source
    order by
      (select coalesce(sum(r.parts), 0) from running r where r.source = s.source),
      o.served_at nulls first,
      (select coalesce(sum(r.parts), 0) from running r where r.import_id = waiting.id),
      waiting.served_at nulls first,
      case when p_small then random() end,
      waiting.id
    limit 1;
    exit when found or cardinality(v_sources) < 50;
    v_from := nullif(public.next_source(p_small, v_sources[50]), v_first);
  end loop;
  return v_part;
end
$$;

-- Returns the part that a message is to process; null if there is nothing left for it. A message
-- names a part, but it processes the one that is due: the part that it had before its worker died
-- or postponed it; else the part that it names, if an earlier version has left that one in
-- progress; else the next part of all imports; else the part that it names, if that one's message
-- is gone. Of a small import it is the part that it names, unless several sources have many imports
-- to do.
create function public.part_of_message(p_message uuid, p_import uuid, p_part integer)
returns public.import_parts
language plpgsql stable set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_named public.import_parts;
  v_source text;
  v_small boolean;
begin
  select * into v_part from public.import_parts
  where message_id = p_message and state in ('queued', 'importing');
  if found then
    return v_part;
  end if;
  select * into v_named from public.import_parts
  where import_id = p_import and part = p_part and state in ('queued', 'importing');
  select source, small into v_source, v_small from public.imports where id = p_import;
  if v_named.message_id is null and (
    v_named.state = 'importing'
    or v_named.state = 'queued' and v_small and (
      public.messages_waiting('imports-small', 'import_part', 16) < 16
      or public.next_source(true, v_source) = v_source)
  ) then
    return v_named;
  end if;
  v_part := public.next_part(coalesce(v_small, false));
  if v_part.import_id is null and v_named.import_id is not null
    and not public.is_pending(v_named.message_id)
  then
    return v_named;
  end if;
  return v_part;
end
$$;

-- Locks the part that a message is to process, and the part's import, and returns the part. Returns
-- null if there is nothing left for the message.
create function public.lock_part_of_message(p_message uuid, p_import uuid, p_part integer)
returns public.import_parts
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_locked public.import_parts;
begin
  loop
    v_part := public.part_of_message(p_message, p_import, p_part);
    if v_part.import_id is null then
      return null;
    end if;
    begin
      perform from public.imports where id = v_part.import_id for no key update;
      select * into v_locked from public.import_parts
      where import_id = v_part.import_id and part = v_part.part for no key update;
      if v_locked.state in ('queued', 'importing')
        and v_locked.message_id is not distinct from v_part.message_id
      then
        return v_locked;
      end if;
      raise sqlstate 'CI004';
    exception when sqlstate 'CI004' then
      -- Another message has taken it meanwhile. Going back to here has released the two locks:
      -- holding them while others are taken would be a deadlock.
      null;
    end;
  end loop;
end
$$;

-- Queues a message if more parts of large imports are waiting than messages for them. Called at the
-- end of each part: so a few messages process all parts of an import, one after the other.
create function public.refill_queue() returns void
language plpgsql set search_path = ''
as $$
declare
  v_waiting bigint;
  v_part public.import_parts;
begin
  select count(*) into v_waiting from (
    select from (
      select id from public.imports
      where small = false and state in ('queued', 'importing') limit 300
    ) i
    cross join lateral (
      select from public.import_parts
      where import_id = i.id and state = 'queued' and message_id is null limit 300
    ) w
    limit 300
  ) waiting;
  if v_waiting = 0 or v_waiting <= public.messages_waiting('imports', 'import_part', 300) then
    return;
  end if;
  v_part := public.next_part(false);
  if v_part.import_id is not null then
    perform public.enqueue_message(jsonb_build_object(
      'queue_name', 'imports', 'actor_name', 'import_part',
      'args', jsonb_build_array(v_part.import_id, v_part.part), 'kwargs', '{}'::jsonb,
      'options', '{}'::jsonb, 'message_id', gen_random_uuid(),
      'message_timestamp', (extract(epoch from clock_timestamp()) * 1000)::bigint));
  end if;
end
$$;

-- Locks an import and its part for a transition, and returns the part. Raises CI003 unless the
-- attempt owns the part.
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
      'part %s of import %s is owned by another attempt', p_part, p_import);
  end if;
  return v_part;
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
-- The commit does not wait for the disk. If a crash of Postgres loses it, everything is lost that the
-- attempt has committed since, and what it calls next raises CI003: the part is started again.
--
-- A part with two attempts of no known end may have killed its worker, and everything else that ran
-- in it. Then only a worker that runs nothing else may start the part (p_alone); others get
-- {"suspect": true}. So a bad part neither stops other parts nor uses up their attempts.
--
-- A worker takes the prefix of contact ids from the result (p_takes_prefix). Earlier workers
-- compute it from the import's id. They cannot import what is dated ahead: 55P03 lets them wait.
create function public.start_part(
  p_import uuid, p_part integer, p_attempt uuid, p_max_attempts integer,
  p_alone boolean default true, p_ended uuid[] default '{}', p_message uuid default null,
  p_takes_prefix boolean default false
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
  if v_import.contacts_ahead > 0 and not p_takes_prefix then
    raise sqlstate '55P03' using message = format(
      'import %s needs workers of a later version', v_import.id);
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
    'rerun', v_part.started_at is not null,
    'contact_prefix', public.contact_prefix(v_import.id, v_import.contacts_ahead));
end
$$;

-- Records the orderly end of an attempt that has not finished its part, so that it does not count
-- as a crash. If the attempt owns the part, the part is queued again. Returns how often the part
-- was postponed because something it needs was unavailable (p_away, as opposed to a stop of the
-- worker); null if the attempt does not own the part.
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

-- Marks a part as failed, and counts what its attempts have written. Returns what part_ended
-- returns; raises CI003 and PT409.
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

-- Marks a part as cancelled, and counts what its attempts have written. Returns what part_ended
-- returns; raises CI003, and PT409 if the import is not being cancelled.
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

-- Sets the state of parts that are not done, and counts what their attempts have written: of all
-- parts in p_states, or only p_part if it is in one of them. Returns whether there was any. The
-- caller must have locked the import.
create function public.stop_parts(
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

-- Closes the import if the part that ended was its last one, and refills the queue of large
-- imports. Returns whether the caller changed the part's state (moved), the import's state, whether
-- this call closed the import, and the seconds from its acceptance to its end. Raises PT409 if the
-- part is in another state than p_state.
create function public.part_ended(p_import uuid, p_part integer, p_state text, p_moved boolean)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_part text;
  v_before text;
  v_small boolean;
  v_after text;
begin
  select state into v_part from public.import_parts where import_id = p_import and part = p_part;
  if v_part is distinct from p_state then
    raise sqlstate 'PT409' using message = format(
      'part %s of import %s cannot become %s: its state is %s', p_part, p_import, p_state,
      coalesce(v_part, 'unknown'));
  end if;
  select state, small into v_before, v_small from public.imports where id = p_import;
  v_after := public.close_import(p_import);
  if p_moved and not v_small then
    perform public.refill_queue();
  end if;
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

-- Closes a started import if none of its parts is left to do: sets its final state, queues the
-- notification, and starts an undo that was requested meanwhile. Returns the import's state; null
-- if it is unknown.
create function public.close_import(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
begin
  -- The lock serialises the ends of parts, so that the last one sees all the others.
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
