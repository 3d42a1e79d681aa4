-- One row for each kind of sweep: each is run by one worker at a time, of all machines.
create table public.sweeps (
  kind text primary key check (kind in ('messages', 'objects', 'retention')),
  begun_at timestamptz not null default 'epoch',
  swept_until timestamptz not null default 'epoch'
);

comment on column public.sweeps.swept_until is 'objects: all that are older have been checked';

insert into public.sweeps (kind) values ('messages'), ('objects'), ('retention');

-- Begins a sweep if the last one began at least p_every seconds ago. Returns the time up to which
-- earlier sweeps have checked objects (seconds since 1970); null if it is too early. A sweep that
-- crashes needs no repair: the next one begins when it is due.
create function public.begin_sweep(p_kind text, p_every double precision) returns double precision
language sql set search_path = ''
as $$
  update public.sweeps
  set begun_at = clock_timestamp()
  where kind = p_kind and begun_at <= clock_timestamp() - make_interval(secs => p_every)
  returning extract(epoch from swept_until)::double precision
$$;

-- Records the time up to which a sweep has checked objects.
create function public.end_sweep(p_kind text, p_until double precision) returns void
language sql set search_path = ''
as $$
  update public.sweeps
  set swept_until = greatest(swept_until, to_timestamp(p_until))
  where kind = p_kind
$$;

-- Returns the next p_limit unfinished imports after p_after, in order of id, that would never
-- finish because messages are missing. A pending message of the import as a whole is enough, since
-- it queues messages for all waiting parts. Otherwise the message of each part that was taken must
-- be pending, and if parts are waiting, any message that takes a part.
create function public.lost_imports(p_after uuid, p_limit integer) returns setof uuid
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

-- Queues the undo messages that are missing from the queue.
create function public.queue_undos() returns void
language sql set search_path = ''
as $$
  select public.enqueue_message(undo) from public.imports where state = 'undoing'
$$;

-- Returns which of these imports exist and keep their objects. It is one array, because the API's
-- "max rows" would truncate a set, and the objects of imports that are not returned are removed.
create function public.known_imports(p_imports uuid[]) returns uuid[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(id), '{}') from public.imports
  where id = any (p_imports) and state <> 'undone'
$$;
