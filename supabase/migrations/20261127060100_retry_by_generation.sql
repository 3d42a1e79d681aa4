-- As before, and counts the retry: messages of parts are those of a generation, so that one which is just
-- being acknowledged does not stand in the way of the next.
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
      'import %s has not failed: it is %s', p_import, v_import.state);
  end if;
  for v_part in
    select * from public.import_parts where import_id = p_import and state = 'failed'
    order by part for no key update
  loop
    perform public.clear_rejections(v_part);
  end loop;
  update public.import_parts
  set state = 'queued', imported = 0, rejected = 0, rejected_codes = null, open_attempts = '{}',
      attempt = null, retries = 0, stops = 0, failure_code = null, failure = null, finished_at = null
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

-- The next rejections of an import after a record, in input order, and how its records are written; the
-- next object with rejections after that record, too. Those in it come after the rows before its
-- first record. Null if the import is unknown. One JSON, not a set: a project's "max rows" would cut a set.
create or replace function public.show_rejections(p_import uuid, p_after bigint, p_limit integer)
returns json
language sql stable set search_path = ''
as $$
  select json_build_object(
    'layout', i.layout,
    'rejections', (
      select coalesce(json_agg(page order by page.record), '[]')
      from (
        select r.record, r.code, r.message, r.content from public.import_rejections r
        where r.import_id = i.id and r.record > p_after
        order by r.record
        limit p_limit
      ) page
    ),
    'object', (
      select json_build_object(
        'name', o.object, 'first_record', o.first_record, 'last_record', o.last_record)
      from public.import_rejection_objects o
      where o.import_id = i.id and o.last_record > p_after
      order by o.first_record
      limit 1
    )
  )
  from public.imports i
  where i.id = p_import
$$;

create or replace function public.get_import(p_import uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', i.id, 'source', i.source, 'format', i.format, 'state', i.state, 'dry_run', i.dry_run,
    'created_at', i.created_at, 'started_at', i.started_at, 'finished_at', i.finished_at,
    'seconds', extract(epoch from coalesce(i.finished_at, clock_timestamp()) - i.started_at),
    'bytes', i.bytes, 'records', i.records,
    'imported', coalesce(p.imported, 0), 'rejected', coalesce(p.rejected, 0),
    'not_processed', coalesce(p.not_processed, 0),
    'rejected_codes', (
      select coalesce(jsonb_object_agg(total.code, total.number), '{}')
      from (
        select n.key as code, sum(n.value::bigint) as number
        from public.import_parts c, jsonb_each_text(c.rejected_codes) n
        where c.import_id = i.id
        group by n.key
      ) total
    ),
    'parts_total', coalesce(p.total, 0), 'parts_done', coalesce(p.done, 0),
    'parts_failed', coalesce(p.failed, 0), 'parts_cancelled', coalesce(p.cancelled, 0),
    'sha256', i.sha256, 'received', i.received, 'detected', i.detected,
    'ignored', (
      select coalesce(jsonb_agg(name order by name), '[]')
      from (
        select jsonb_array_elements_text(i.ignored) as name
        union
        select jsonb_array_elements_text(ignored)
        from public.import_parts where import_id = i.id and ignored is not null
        order by name limit 101
      ) names
    ),
    'failure', coalesce(i.undo_failure - 'at', (
      select jsonb_build_object('code', f.failure_code, 'detail', f.failure, 'part', f.part)
      from public.import_parts f
      where f.import_id = i.id and f.state = 'failed' order by f.part limit 1
    ))
  )
  from public.imports i
  left join lateral (
    select sum(imported) as imported, sum(rejected) as rejected,
           sum(not_processed) as not_processed, count(*) as total,
           count(*) filter (where state = 'done') as done,
           count(*) filter (where state = 'failed') as failed,
           count(*) filter (where state = 'cancelled') as cancelled
    from public.import_parts where import_id = i.id
  ) p on true
  where i.id = p_import
$$;
