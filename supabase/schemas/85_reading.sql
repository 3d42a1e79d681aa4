-- Returns the import as GET /import/{jobId} shows it; null if it is unknown.
create function public.get_import(p_import uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', i.id, 'source', i.source, 'format', i.format, 'state', i.state, 'dry_run', i.dry_run,
    'created_at', i.created_at, 'started_at', i.started_at, 'finished_at', i.finished_at,
    'seconds', extract(epoch from coalesce(i.finished_at, clock_timestamp()) - i.started_at),
    'bytes', i.bytes, 'records', i.records,
    'imported', i.imported, 'rejected', i.rejected, 'skipped', i.skipped,
    'not_processed', i.records - i.imported - i.rejected - i.skipped,
    'rejected_codes', i.rejected_codes, 'skipped_codes', i.skipped_codes,
    'warnings', i.warnings, 'plan_warnings', coalesce(i.plan -> 'warnings', '[]'),
    'parts_total', i.parts_total, 'parts_done', i.parts_done,
    'parts_failed', i.parts_failed, 'parts_cancelled', i.parts_cancelled,
    'created_by', i.created_by, 'cancelled_by', i.cancelled_by, 'undone_by', i.undone_by,
    'keep', extract(epoch from i.keep), 'object_expired_at', i.object_expired_at,
    'rejections_expired_at', i.rejections_expired_at,
    'sha256', i.sha256, 'received', i.received, 'detected', i.detected,
    'ignored', (
      select coalesce(jsonb_agg(name order by name), '[]')
      from (
        select name from jsonb_array_elements_text(i.ignored) as name order by name limit 101
      ) names
    ),
    'failure', coalesce(i.undo_failure - 'at', (
      select jsonb_build_object('code', f.failure_code, 'detail', f.failure, 'part', f.part)
      from public.import_parts f
      where f.import_id = i.id and f.state = 'failed' order by f.part limit 1
    ))
  )
  from public.imports i
  where i.id = p_import
$$;

-- Returns a page of imports, newest first: those before p_before, if given. A filter that is null
-- matches all. The statement has only the conditions that are given, and is planned with their
-- values: one plan for all of them would read every newer import.
create function public.list_imports(p_state text, p_source text, p_before uuid, p_limit integer)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_page jsonb;
begin
  execute concat(
    'select coalesce(jsonb_agg(public.get_import(id) order by id desc), ''[]'')
     from (select id from public.imports where true',
    case when p_state is not null then ' and state = $1' end,
    case when p_source is not null then ' and source = $2' end,
    case when p_before is not null then ' and id < $3' end,
    ' order by id desc limit $4) page')
  into v_page using p_state, p_source, p_before, p_limit;
  return v_page;
end
$$;

-- Returns the next p_limit rejections of an import after a record, in input order; the plan of
-- its records; and the next object with rejections after that record. Those in the object come
-- after the rows before its first record. Also returns whether the import had rejections that have
-- expired. Null if the import is unknown. It is one JSON value, because the API's "max rows" would
-- truncate a set.
create function public.show_rejections(p_import uuid, p_after bigint, p_limit integer)
returns json
language sql stable set search_path = ''
as $$
  select json_build_object(
    'plan', i.plan,
    'expired', i.rejections_expired_at is not null and i.rejected > 0,
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

-- Returns the URL to notify of the import's end, and the import as get_import does; null if there
-- is no such URL or import.
create function public.show_end(p_import uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('url', notify ->> 'url', 'import', public.get_import(id))
  from public.imports
  where id = p_import and notify is not null
$$;
