-- Returns what monitoring shows of the work that is to be done, for these queues: their messages,
-- the unfinished imports and parts, and when the sweeps were begun last (seconds since 1970).
-- A message waits if it is not delayed and no session has locked it: its worker may have died. Its
-- age is the time since it was queued or taken, or since its delay ended. The cost does not grow
-- with the number of finished messages and imports; of each queue, up to 100,000 messages are
-- counted, and the age is that of the 1,000 oldest ones.
create function public.queue_statistics(p_queues text[]) returns jsonb
language sql stable security definer set search_path = ''
as $$
  with claimed as materialized (
    select (l.classid::bigint << 32) | l.objid::bigint as lock
    from pg_catalog.pg_locks l
    where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
  ),
  queues as materialized (
    select name, waiting, taken - waiting as running, delayed, age
    from unnest(p_queues) as name
    cross join lateral (
      select count(*) as taken, count(*) filter (where case
        when state = 'queued' then true
        else dramatiq.message_lock(name, message_id) not in (select lock from claimed) end
      ) as waiting
      from (
        select state, message_id from dramatiq.queue
        where queue_name = name and state in ('queued', 'consumed')
        limit 100000
      ) pending
    ) counted
    cross join lateral (
      select count(*) as delayed from (
        select from dramatiq.queue
        where queue_name = name || '.DQ' and state in ('queued', 'consumed')
        limit 100000
      ) pending
    ) later
    cross join lateral (
      select coalesce(max(greatest(0, least(
        extract(epoch from (clock_timestamp() at time zone 'UTC')::timestamptz - mtime),
        extract(epoch from clock_timestamp()) - (message #>> '{options,eta}')::numeric / 1000
      ))), 0) as age
      from (
        select state, message_id, mtime, message from dramatiq.queue
        where queue_name = name and state in ('queued', 'consumed')
        order by mtime limit 1000
      ) oldest
      where case
        when state = 'queued' then true
        else dramatiq.message_lock(name, message_id) not in (select lock from claimed) end
    ) aged
  )
  select jsonb_build_object(
    'queues', (
      select coalesce(jsonb_object_agg(name, to_jsonb(queues) - 'name'), '{}') from queues),
    'imports', (
      select coalesce(jsonb_object_agg(state, number), '{}') from (
        select state, count(*) as number from public.imports
        where state in ('queued', 'importing', 'cancelling', 'undoing')
        group by state
        union all
        select 'undo_failed', count(*) from public.imports where state = 'undo_failed'
      ) open),
    'parts', jsonb_build_object(
      'open', (select count(*) from public.import_parts where state in ('queued', 'importing')),
      'importing', (select count(*) from public.import_parts where state = 'importing')),
    'sweeps', (
      select jsonb_object_agg(kind, extract(epoch from begun_at)) from public.sweeps)
  )
$$;
