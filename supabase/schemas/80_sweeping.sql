-- One row for each kind of sweep: each is run by one worker at a time, of all machines.
create table public.sweeps (
  kind text primary key check (kind in ('messages', 'objects')),
  begun_at timestamptz not null default 'epoch',
  swept_until timestamptz not null default 'epoch'
);

comment on column public.sweeps.swept_until is 'objects: all that are older have been checked';

insert into public.sweeps (kind) values ('messages'), ('objects');

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
-- finish because messages are missing. One pending message of the import is enough, since it queues
-- all unfinished parts; otherwise each unfinished part needs one.
create function public.lost_imports(p_after uuid, p_limit integer) returns setof uuid
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
