-- API keys: each import keeps the names of the keys that made, cancelled and undid it.

alter table public.imports
  add column created_by text,
  add column cancelled_by text,
  add column undone_by text;
comment on column public.imports.created_by is
  'name of the API key of the request, also in the next two columns; null if it needed none';

drop function public.cancel_import(uuid);
drop function public.undo_import(uuid, jsonb);

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
        dry_run, sha256, received, detected, ignored, idempotency_key, fingerprint, notify,
        parts_total, created_by
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'plan', 'null'),
        p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
        (p_message ->> 'message_id')::uuid, coalesce((p_import ->> 'small')::boolean, false),
        coalesce((p_import ->> 'dry_run')::boolean, false), p_import ->> 'sha256',
        (p_import ->> 'received')::bigint, nullif(p_import -> 'detected', 'null'),
        nullif(p_import -> 'ignored', 'null'), p_import ->> 'idempotency_key',
        p_import ->> 'fingerprint', nullif(p_import -> 'notify', 'null'),
        jsonb_array_length(p_parts), p_import ->> 'created_by'
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

-- Stops an import; what is written stays. Cancels the queued parts; those being imported end when
-- their attempts write the next batch. p_by is the name of the API key that asks for it. Returns
-- the import as get_import does; null if it is unknown. Raises PT409 if the import has ended.
create function public.cancel_import(p_import uuid, p_by text default null) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  select state into v_state from public.imports where id = p_import for no key update;
  if v_state in ('queued', 'importing') then
    update public.imports set state = 'cancelling', cancelled_by = p_by where id = p_import;
    perform public.stop_parts(p_import, '{queued}', null, 'cancelled', null, null);
    perform public.close_import(p_import);
  elsif v_state not in ('cancelling', 'cancelled') then
    raise sqlstate 'PT409' using message = format(
      'import %s cannot be cancelled: its state is %s', p_import, v_state);
  end if;
  return public.get_import(p_import);
end
$$;

-- Starts the removal of everything that an import wrote, by the actor of the message. An import
-- that is not finished is cancelled first, and close_import starts the removal. p_by is the name of
-- the API key that asks for it. Returns the import as get_import does; null if it is unknown.
create function public.undo_import(p_import uuid, p_message jsonb, p_by text default null)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
begin
  select * into v_import from public.imports where id = p_import for no key update;
  update public.imports
  set undo = p_message, undone_by = p_by
  where id = p_import and (undo is null or state = 'undo_failed');
  if v_import.state in ('queued', 'importing', 'cancelling') then
    perform public.cancel_import(p_import);
  elsif v_import.state in ('completed', 'failed', 'cancelled', 'undo_failed') then
    perform public.begin_undo(p_import);
  end if;
  return public.get_import(p_import);
end
$$;

-- Returns the import as GET /import/{jobId} shows it; null if it is unknown.
create or replace function public.get_import(p_import uuid) returns jsonb
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

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array['public.cancel_import', 'public.undo_import']::regproc[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- PostgREST caches the schema.
notify pgrst, 'reload schema';
