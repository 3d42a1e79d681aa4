-- The queue of dramatiq-pg 0.12, as `dramatiq-pg init` creates it. It is not in `public`, so no API
-- serves it.
create schema if not exists dramatiq;

do $$
begin
  if to_regtype('dramatiq.state') is null then
    create type dramatiq.state as enum ('queued', 'consumed', 'rejected', 'done');
  end if;
end
$$;

create table if not exists dramatiq.queue (
  message_id uuid primary key,
  queue_name text not null default 'default',
  state dramatiq.state,
  mtime timestamp with time zone default (now() at time zone 'UTC'),
  message jsonb,
  result jsonb,
  result_ttl timestamp with time zone
);

create index if not exists queue_state_mtime_idx on dramatiq.queue (state, mtime);

-- Covers only pending messages, so that its cost does not grow with the number of finished ones.
create index queue_pending_idx on dramatiq.queue (queue_name, mtime)
where state in ('queued', 'consumed');

-- Returns the key of the advisory lock that dramatiq-pg holds while a message is processed
-- (`message_lock` in its broker.py): the 8 middle bytes of a hash as an unsigned number, shifted
-- into the range of bigint.
create function dramatiq.message_lock(p_queue text, p_message uuid) returns bigint
language sql immutable strict parallel safe
return (
  'x' || encode(substr(sha256(convert_to(p_queue || p_message, 'UTF8')), 13, 8), 'hex')
)::bit(64)::bigint # (-9223372036854775808)::bigint;

-- Returns the oldest messages of a queue that no session has locked. Locked ones are skipped, so
-- that they cannot fill the limit. Has no `set search_path`, because Postgres would then neither
-- inline the function nor use the index as well.
create function dramatiq.unclaimed_messages(p_queue text, p_limit integer) returns setof text
language sql stable
as $$
  with claimed as materialized (
    select (l.classid::bigint << 32) | l.objid::bigint as lock
    from pg_catalog.pg_locks l
    where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
  )
  select q.message::text
  from dramatiq.queue q
  where q.queue_name = p_queue and q.state in ('queued', 'consumed')
    and dramatiq.message_lock(q.queue_name, q.message_id) not in (select lock from claimed)
  order by q.mtime
  limit p_limit
$$;

-- Puts a message on the queue, in the caller's transaction, so that recording and queueing are
-- atomic. Message ids are computed, so a message may exist already: a finished one is queued again,
-- a pending one is left unchanged.
create function public.enqueue_message(p_message jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
begin
  insert into dramatiq.queue as q (queue_name, message_id, state, message)
  values (p_message ->> 'queue_name', (p_message ->> 'message_id')::uuid, 'queued', p_message)
  on conflict (message_id) do update
  set queue_name = excluded.queue_name, state = 'queued', message = excluded.message,
      mtime = excluded.mtime
  where q.state in ('done', 'rejected');
  if found then
    perform pg_notify(format('dramatiq.%s.enqueue', p_message ->> 'queue_name'), p_message::text);
  end if;
end
$$;

-- Puts several messages on the queue, as enqueue_message does.
create function public.queue_messages(p_messages jsonb) returns void
language sql set search_path = ''
as $$
  select public.enqueue_message(message) from jsonb_array_elements(p_messages) as message
$$;

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

-- Returns true if the queue can be read, and raises otherwise. Used by the readiness check.
create function public.queue_ready() returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform from dramatiq.queue limit 1;
  return true;
end
$$;
