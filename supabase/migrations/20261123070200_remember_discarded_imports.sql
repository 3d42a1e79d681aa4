-- What was taken back stays so: a request to record it may still be on its way, and come last. Then
-- there would be an import without an object, of which its client was told to send it again.
create table public.discarded_imports (
  id uuid primary key,
  discarded_at timestamptz not null default clock_timestamp()
);

comment on table public.discarded_imports is 'for a day: no request is on its way for longer';

alter table public.discarded_imports enable row level security;
revoke all on public.discarded_imports from anon, authenticated;
grant select, insert, update, delete on public.discarded_imports to service_role;

-- One at a time for each import, until the end of the transaction. (Two keys: dramatiq-pg uses one.)
create function public.lock_import(p_import uuid) returns void
language sql set search_path = ''
as $$
  select pg_advisory_xact_lock(hashtext('import'), hashtext(p_import::text))
$$;

create or replace function public.create_import(p_import jsonb, p_parts jsonb, p_message jsonb)
returns void
language plpgsql set search_path = ''
as $$
declare
  v_id uuid := (p_import ->> 'id')::uuid;
begin
  perform public.lock_import(v_id);
  if exists (select from public.discarded_imports where id = v_id) then
    raise sqlstate 'PT409' using message = format('import %s was taken back', v_id);
  end if;
  insert into public.imports (id, source, format, layout, object, bytes, records, message_id)
  values (
    v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'layout', 'null'),
    p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
    (p_message ->> 'message_id')::uuid
  )
  on conflict (id) do nothing;
  if not found then
    return;
  end if;
  insert into public.import_parts (import_id, part, byte_start, byte_end, first_record, records)
  select v_id, t.part, t.byte_start, t.byte_end, t.first_record, t.records
  from jsonb_to_recordset(p_parts)
    as t (part integer, byte_start bigint, byte_end bigint, first_record bigint, records bigint);
  perform public.enqueue_message(p_message);
end
$$;

create or replace function public.discard_import(p_import uuid) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
  v_message uuid;
begin
  perform public.lock_import(p_import);
  delete from public.imports where id = p_import and state = 'queued' returning message_id into v_message;
  delete from dramatiq.queue where message_id = v_message and state = 'queued';
  if exists (select from public.imports where id = p_import) then
    return true;
  end if;
  insert into public.discarded_imports (id) values (p_import) on conflict do nothing;
  delete from public.discarded_imports where discarded_at < clock_timestamp() - interval '1 day';
  return false;
end
$$;

revoke all on function public.lock_import(uuid) from public, anon, authenticated;
grant execute on function public.lock_import(uuid) to service_role;

notify pgrst, 'reload schema';
