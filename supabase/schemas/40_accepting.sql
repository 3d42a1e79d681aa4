-- Serialises the calls for one import until the end of the transaction. Its advisory lock has two
-- keys, because dramatiq-pg uses those with one.
create function public.lock_import(p_import uuid) returns void
language sql set search_path = ''
as $$
  select pg_advisory_xact_lock(hashtext('import'), hashtext(p_import::text))
$$;

-- Records an import with its parts and queues its first message. Returns null if the import is
-- recorded, now or by an earlier call. If its idempotency key is taken, records nothing and returns
-- the other import's id and whether that one has the same fingerprint (see join_import). Raises
-- PT409 if the import was discarded.
create function public.create_import(p_import jsonb, p_parts jsonb, p_message jsonb) returns jsonb
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
        id, source, format, plan, object, bytes, records, contacts_ahead, message_id, small,
        dry_run, sha256, received, detected, ignored, idempotency_key, fingerprint, notify,
        parts_total, created_by, traceparent, keep
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'plan', 'null'),
        p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
        coalesce((p_import ->> 'contacts_ahead')::integer, 0),
        (p_message ->> 'message_id')::uuid, coalesce((p_import ->> 'small')::boolean, false),
        coalesce((p_import ->> 'dry_run')::boolean, false), p_import ->> 'sha256',
        (p_import ->> 'received')::bigint, nullif(p_import -> 'detected', 'null'),
        nullif(p_import -> 'ignored', 'null'), p_import ->> 'idempotency_key',
        p_import ->> 'fingerprint', nullif(p_import -> 'notify', 'null'),
        jsonb_array_length(p_parts), p_import ->> 'created_by',
        p_message #>> '{options,traceparent}',
        make_interval(secs => (p_import ->> 'keep')::double precision)
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

-- Returns the id of the import with this idempotency key, and whether its fingerprint is the same;
-- null if there is none. With the same fingerprint the import is shared from now on, and
-- discard_import keeps it.
create function public.join_import(p_key text, p_fingerprint text) returns jsonb
language sql set search_path = ''
as $$
  update public.imports
  set joined = joined or fingerprint is not distinct from p_fingerprint
  where idempotency_key = p_key
  returning jsonb_build_object('id', id, 'same', fingerprint is not distinct from p_fingerprint)
$$;

-- Discards an import of which the service does not know whether it was recorded: removes the record
-- and the queued message, and makes a later create_import fail. Returns true if the import stays
-- instead, because it was started or is shared with another request.
create function public.discard_import(p_import uuid) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_message uuid;
begin
  perform public.lock_import(p_import);
  delete from public.imports
  where id = p_import and state = 'queued' and started_at is null and not joined
  returning message_id into v_message;
  delete from dramatiq.queue where message_id = v_message and state = 'queued';
  if exists (select from public.imports where id = p_import) then
    return true;
  end if;
  insert into public.discarded_imports (id) values (p_import) on conflict do nothing;
  delete from public.discarded_imports where discarded_at < clock_timestamp() - interval '1 day';
  return false;
end
$$;
