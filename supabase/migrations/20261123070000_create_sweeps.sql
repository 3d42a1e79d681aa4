-- What finds again that which a crash left behind: messages that nobody works on, imports without
-- a message, objects without an import.

-- Only what waits or is in work: a look at it costs the same however many messages are done.
create index queue_pending_idx on dramatiq.queue (queue_name, mtime)
where state in ('queued', 'consumed');

-- The advisory lock that dramatiq-pg holds on a message in work (`message_lock` in its broker.py):
-- the 8 middle bytes of a hash, unsigned, shifted into the range of bigint.
create function dramatiq.message_lock(p_queue text, p_message uuid) returns bigint
language sql immutable strict parallel safe
return ('x' || encode(substr(sha256(convert_to(p_queue || p_message, 'UTF8')), 13, 8), 'hex'))::bit(64)::bigint
  # (-9223372036854775808)::bigint;

-- The oldest messages that no living session has locked. Locked ones are passed over, so that they
-- cannot hide the others; there are never more of them than workers have taken. (No `set
-- search_path`: with it, the function would not be inlined, and not use the index as well.)
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

-- Ids of messages are computed, so the message of a lost import may still be there, as done: then
-- it is queued anew. One that waits or is in work is left alone.
create or replace function public.enqueue_message(p_message jsonb) returns void
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

create index imports_open_idx on public.imports (id) where state in ('queued', 'importing');

-- Open imports that nothing on the queue would ever finish, in the order of their ids. An import's
-- own message hands out all that is left to do; without it, each part needs one.
create function public.lost_imports(p_after uuid, p_limit integer) returns setof uuid
language sql stable security definer set search_path = ''
as $$
  with live as materialized (
    select message_id, message #>> '{args,0}' as import, message #>> '{args,1}' as part
    from dramatiq.queue where state in ('queued', 'consumed')
  ),
  alone as (
    select i.id from public.imports i
    where i.state in ('queued', 'importing')
      and not exists (select from live where live.message_id = i.message_id)
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

-- Which of these are imports. One array, not a set: a project's "max rows" would cut a set, and what
-- is missing in the answer is removed.
create function public.known_imports(p_imports uuid[]) returns uuid[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(id), '{}') from public.imports where id = any (p_imports)
$$;

-- One row for each kind of sweep: the workers of all machines take turns.
create table public.sweeps (
  kind text primary key check (kind in ('messages', 'objects')),
  begun_at timestamptz not null default 'epoch',
  swept_until timestamptz not null default 'epoch'
);

comment on column public.sweeps.swept_until is 'objects: what is older has been looked at, once and for all';

insert into public.sweeps (kind) values ('messages'), ('objects');
alter table public.sweeps enable row level security;
revoke all on public.sweeps from anon, authenticated;
grant select, insert, update, delete on public.sweeps to service_role;

-- Takes the turn if the last one is so many seconds ago; tells where that came to (seconds since
-- 1970), or null if it is too early. A sweep that breaks off needs no clearing up: the next turn
-- comes all the same.
create function public.begin_sweep(p_kind text, p_every double precision) returns double precision
language sql set search_path = ''
as $$
  update public.sweeps
  set begun_at = clock_timestamp()
  where kind = p_kind and begun_at <= clock_timestamp() - make_interval(secs => p_every)
  returning extract(epoch from swept_until)::double precision
$$;

create function public.end_sweep(p_kind text, p_until double precision) returns void
language sql set search_path = ''
as $$
  update public.sweeps
  set swept_until = greatest(swept_until, to_timestamp(p_until))
  where kind = p_kind
$$;

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.lost_imports(uuid, integer)',
    'public.known_imports(uuid[])', 'public.begin_sweep(text, double precision)',
    'public.end_sweep(text, double precision)'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
