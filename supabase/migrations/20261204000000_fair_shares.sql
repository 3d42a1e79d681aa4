-- Fair shares: a message processes the part that is due first, of all imports, and the end of a part
-- queues the message for another one. Small imports have a queue of their own.

alter table public.imports
  add column small boolean not null default false,
  add column served_at timestamptz;
comment on column public.imports.small is
  'its only part is so small that it is processed beside the parts of large imports';
comment on column public.imports.served_at is 'when one of its parts was started last';

-- For next_part: the sources that have parts to do, and the oldest imports of each.
create index imports_to_do_idx on public.imports (small, source, id)
where state in ('queued', 'importing');

alter table public.import_parts add column message_id uuid;
comment on column public.import_parts.message_id is
  'message that processes the part; null while no message has taken it';

-- For next_part and refill_queue: the parts that no message has taken.
create index import_parts_waiting_idx on public.import_parts (import_id, part)
where state = 'queued' and message_id is null;

-- For next_part: the parts that are being processed, and the one that a message has taken.
create index import_parts_running_idx on public.import_parts (import_id)
where state = 'importing';
create index import_parts_message_idx on public.import_parts (message_id)
where state in ('queued', 'importing');

-- When a part of a source was started last. A row is not needed any more once the source has had
-- nothing to do for a while.
create table public.import_sources (
  source text primary key,
  served_at timestamptz not null
);

comment on table public.import_sources is 'for fair shares: who was served last';

create index import_sources_served_idx on public.import_sources (served_at);

drop function public.start_part(uuid, integer, uuid, integer, boolean, uuid[]);

-- Returns whether a message is queued, delayed or being processed.
create function public.is_pending(p_message uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from dramatiq.queue
    where message_id = p_message and state in ('queued', 'consumed'))
$$;

-- Returns how many messages of an actor no worker has taken yet, p_limit at most.
create function public.messages_waiting(p_queue text, p_actor text, p_limit integer)
returns bigint
language sql stable security definer set search_path = ''
as $$
  select count(*) from (
    select from dramatiq.queue
    where queue_name = p_queue and state = 'queued' and message ->> 'actor_name' = p_actor
    limit p_limit
  ) waiting
$$;

-- Deletes up to p_limit messages that were finished more than p_seconds ago; returns how many.
create function public.delete_old_messages(p_seconds double precision, p_limit integer)
returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
  v_deleted bigint;
begin
  delete from dramatiq.queue
  where message_id in (
    select message_id from dramatiq.queue
    where state in ('done', 'rejected')
      and mtime < (now() at time zone 'UTC') - make_interval(secs => p_seconds)
    order by state, mtime
    limit p_limit
    for update skip locked
  );
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
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
        dry_run, sha256, received, detected, ignored, idempotency_key, fingerprint, notify
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'plan', 'null'),
        p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
        (p_message ->> 'message_id')::uuid, coalesce((p_import ->> 'small')::boolean, false),
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

-- Starts a queued import, and closes it if no part is left to do. A part whose message is gone
-- waits for another one from now on. Returns the import's state, its generation (messages are
-- computed from it), whether it is small, and the numbers of the first waiting parts, for which
-- messages are to be queued: more would not be processed at the same time, and refill_queue adds
-- messages as parts end. Returns null if the import is unknown.
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
-- number of imports: it looks at some sources only, beginning after the one that was served last,
-- and at the oldest imports of each. Small imports are many and have one part each: any of the
-- oldest will do, so that workers do not wait for each other.
create function public.next_part(p_small boolean) returns public.import_parts
language plpgsql stable set search_path = ''
as $$
declare
  v_part public.import_parts;
begin
  with recursive sources (source, first, number) as (
    select start.source, start.source, 1
    from (
      select public.next_source(p_small, coalesce(
        (select source from public.import_sources order by served_at desc limit 1), '')) as source
    ) start
    where start.source is not null
    union all
    select next.source, next.first, next.number
    from (
      select public.next_source(p_small, source) as source, first, number + 1 as number
      from sources where number < 50
    ) next
    where next.source <> next.first
  ),
  running as materialized (
    select i.source, r.import_id, count(*) as parts
    from public.import_parts r
    join public.imports i on i.id = r.import_id
    where r.state = 'importing' and i.small = p_small
    group by i.source, r.import_id
  )
  select p.* into v_part
  from sources s
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
create function public.start_part(
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
  v_where := jsonb_build_object('import', v_part.import_id, 'part', v_part.part);
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
    'object', v_import.object, 'dry_run', v_import.dry_run,
    'byte_start', v_part.byte_start, 'byte_end', v_part.byte_end,
    'first_record', v_part.first_record, 'records', v_part.records,
    'rerun', v_part.started_at is not null);
end
$$;

-- Closes the import if the part that ended was its last one, and refills the queue of large
-- imports. Returns whether the caller changed the part's state (moved), the import's state, whether
-- this call closed the import, and the seconds from its acceptance to its end. Raises PT409 if the
-- part is in another state than p_state.
create or replace function public.part_ended(p_import uuid, p_part integer, p_state text, p_moved boolean)
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

-- Returns the next p_limit unfinished imports after p_after, in order of id, that would never
-- finish because messages are missing. A pending message of the import as a whole is enough, since
-- it queues messages for all waiting parts. Otherwise the message of each part that was taken must
-- be pending, and if parts are waiting, any message that takes a part.
create or replace function public.lost_imports(p_after uuid, p_limit integer) returns setof uuid
language sql stable security definer set search_path = ''
as $$
  with live as materialized (
    select queue_name, message ->> 'actor_name' as actor, message #>> '{args,0}' as import,
           message #>> '{args,1}' as part
    from dramatiq.queue where state in ('queued', 'consumed')
  ),
  taking as materialized (
    select distinct queue_name like 'imports-small%' as small from live
    where actor = 'import_part'
  )
  select i.id from public.imports i
  where i.id > p_after and i.state in ('queued', 'importing', 'cancelling')
    and not exists (select from live where live.import = i.id::text and live.part is null)
    and (
      not exists (
        select from public.import_parts o
        where o.import_id = i.id and o.state in ('queued', 'importing'))
      or exists (
        select from public.import_parts o
        where o.import_id = i.id and o.state in ('queued', 'importing') and case
          when o.message_id is not null then not public.is_pending(o.message_id)
          when o.state = 'importing' then not exists (  -- started by version 0.1
            select from live where live.import = i.id::text and live.part = o.part::text)
          else i.small not in (select small from taking) end)
    )
  order by i.id
  limit p_limit
$$;

-- Forgets sources that were served more than a day ago.
create function public.forget_sources() returns void
language sql set search_path = ''
as $$
  delete from public.import_sources where served_at < clock_timestamp() - interval '1 day'
$$;


do $$
declare
  v_function regprocedure;
begin
  alter table public.import_sources enable row level security;
  revoke all on public.import_sources from anon, authenticated;
  grant select, insert, update, delete on public.import_sources to service_role;
  foreach v_function in array array[
    'public.is_pending',
    'public.messages_waiting',
    'public.delete_old_messages',
    'public.next_source',
    'public.next_part',
    'public.part_of_message',
    'public.lock_part_of_message',
    'public.refill_queue',
    'public.start_part',
    'public.forget_sources'
  ]::regproc[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- PostgREST caches the schema.
notify pgrst, 'reload schema';
