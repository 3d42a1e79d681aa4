-- Retention and erasures: what an import leaves is removed after a time, and everything about an
-- e-mail address when somebody asks for it. Making the indexes takes three seconds for a million
-- imports; changes of imports wait meanwhile.

alter table public.imports
  add column keep interval,
  add column object_expired_at timestamptz,
  add column object_removed_at timestamptz,
  add column rejections_expired_at timestamptz,
  add column rejections_removed_at timestamptz;
comment on column public.imports.keep is
  'for how long the client wants its object and rejections to be kept after its end; null if it '
  'did not say';
comment on column public.imports.object_expired_at is
  'from then on nothing may use the object, which is removed next';
comment on column public.imports.object_removed_at is 'when Storage had removed the object';
comment on column public.imports.rejections_expired_at is
  'from then on nothing may use the rejections, which are removed next';
comment on column public.imports.rejections_removed_at is
  'when the rejections were removed, those in Storage too';

-- Of imports that are undone nothing is left.
update public.imports
set object_expired_at = statement_timestamp(), object_removed_at = statement_timestamp(),
    rejections_expired_at = statement_timestamp(), rejections_removed_at = statement_timestamp()
where state = 'undone';

-- For expire_objects and expire_rejections: what is not expired yet, by the end of its import and
-- by the time that the client gave; and what is expired and not removed yet.
create index imports_object_ended_idx on public.imports (finished_at)
where object_expired_at is null and finished_at is not null;
create index imports_object_keep_idx
on public.imports (((finished_at at time zone 'UTC') + keep))
where object_expired_at is null and keep is not null;
create index imports_object_expired_idx on public.imports (object_expired_at)
where object_expired_at is not null and object_removed_at is null;
create index imports_rejections_ended_idx on public.imports (finished_at)
where rejections_expired_at is null and finished_at is not null;
create index imports_rejections_keep_idx
on public.imports (((finished_at at time zone 'UTC') + keep))
where rejections_expired_at is null and keep is not null;
create index imports_rejections_expired_idx on public.imports (rejections_expired_at)
where rejections_expired_at is not null and rejections_removed_at is null;

-- For remove_imports.
create index imports_removable_idx on public.imports (finished_at)
where object_removed_at is not null and rejections_removed_at is not null;

alter table public.sweeps drop constraint sweeps_kind_check;
alter table public.sweeps
  add constraint sweeps_kind_check check (kind in ('messages', 'objects', 'retention'));
insert into public.sweeps (kind) values ('retention');

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
        parts_total, created_by, traceparent, keep
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'plan', 'null'),
        p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
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

-- Queues the failed parts again, and only those. The message is new for each retry; a call with the
-- same message changes nothing. Counts the retry in generation, from which part messages are
-- computed, so that a part's old message, which is possibly just being acknowledged, does not
-- replace the new one. From now on the import's work belongs to the trace of the retry. Returns the
-- import as get_import does; null if it is unknown. Raises PT409 if the import has not failed, PT410
-- if its object has expired, and 55P03 while its rejections are being removed: those of the new
-- attempts would be removed with them.
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
      'import %s cannot be retried: its state is %s', p_import, v_import.state);
  end if;
  if v_import.object_expired_at is not null then
    raise sqlstate 'PT410' using message = format(
      'import %s cannot be retried: its object has expired', p_import);
  end if;
  if v_import.rejections_expired_at is not null and v_import.rejections_removed_at is null then
    raise sqlstate '55P03' using message = format(
      'import %s cannot be retried now: its rejections are being removed', p_import);
  end if;
  for v_part in
    select * from public.import_parts where import_id = p_import and state = 'failed'
    order by part for no key update
  loop
    perform public.clear_rejections(v_part);
  end loop;
  update public.import_parts
  set state = 'queued', imported = 0, rejected = 0, skipped = 0, rejected_codes = null,
      skipped_codes = null, warnings = null, open_attempts = '{}',
      attempt = null, message_id = null, retries = 0, stops = 0, failure_code = null,
      failure = null,
      finished_at = null
  where import_id = p_import and state = 'failed';
  perform public.recount_import(p_import);
  update public.imports
  set state = 'queued', finished_at = null, generation = generation + 1,
      message_id = (p_message ->> 'message_id')::uuid,
      traceparent = p_message #>> '{options,traceparent}',
      notify = jsonb_set(notify, '{message,options}', coalesce(p_message -> 'options', '{}')),
      rejections_expired_at = null, rejections_removed_at = null
  where id = p_import and v_import.id is not null;
  if found then
    perform public.enqueue_message(p_message);
  end if;
  return public.get_import(p_import);
end
$$;

-- Completes an undo; call it after the object is removed, too. Changes nothing while parts are
-- left.
create or replace function public.finish_undo(p_import uuid) returns void
language sql set search_path = ''
as $$
  update public.imports
  set state = 'undone',
      object_expired_at = coalesce(object_expired_at, statement_timestamp()),
      object_removed_at = coalesce(object_removed_at, statement_timestamp()),
      rejections_expired_at = coalesce(rejections_expired_at, statement_timestamp()),
      rejections_removed_at = coalesce(rejections_removed_at, statement_timestamp())
  where id = p_import and state = 'undoing' and not exists (
    select from public.import_parts where import_id = p_import and state <> 'undone')
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

-- Returns the next p_limit rejections of an import after a record, in input order; the plan of
-- its records; and the next object with rejections after that record. Those in the object come
-- after the rows before its first record. Also returns whether the import had rejections that have
-- expired. Null if the import is unknown. It is one JSON value, because the API's "max rows" would
-- truncate a set.
create or replace function public.show_rejections(p_import uuid, p_after bigint, p_limit integer)
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

-- What an import leaves is removed some time after its end: its object, its rejections, at last its
-- row. Each is first marked as expired, from when on nothing uses it, then removed, then marked as
-- removed. So a sweep that is killed anywhere is repeated by the next one. Its contacts stay.

-- Returns whether an import has ended, and so long ago that what it left is due: after the time
-- that its client gave, or p_keep seconds if that is less. Null is for ever.
create function public.is_due(p_import public.imports, p_keep double precision) returns boolean
language sql stable set search_path = ''
as $$
  select p_import.state in ('completed', 'failed', 'cancelled', 'undo_failed')
    and coalesce(p_import.finished_at < clock_timestamp()
      - least(p_import.keep, make_interval(secs => p_keep)), false)
$$;

-- Marks objects that are due as expired, p_limit at most. Returns the imports of objects that are
-- expired and not removed yet, with the names of the objects, p_limit at most. Nothing that is
-- queued, running or being undone is due.
create function public.expire_objects(p_keep double precision, p_limit integer) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_due uuid[];
begin
  v_due := array(
    (
      select id from public.imports
      where object_expired_at is null
        and state in ('completed', 'failed', 'cancelled', 'undo_failed')
        and finished_at < v_now - make_interval(secs => p_keep)
      order by finished_at limit p_limit
    )
    union
    (
      select id from public.imports
      where object_expired_at is null and keep is not null
        and state in ('completed', 'failed', 'cancelled', 'undo_failed')
        and (finished_at at time zone 'UTC') + keep < v_now at time zone 'UTC'
      order by (finished_at at time zone 'UTC') + keep limit p_limit
    )
    limit p_limit);
  update public.imports i set object_expired_at = v_now
  where id = any (v_due) and object_expired_at is null and public.is_due(i, p_keep);
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'object', object)), '[]')
    from (
      select id, object from public.imports
      where object_expired_at is not null and object_removed_at is null
      order by object_expired_at limit p_limit
    ) expired
  );
end
$$;

-- Records that Storage has removed the objects of these imports. Returns of how many that was not
-- known yet.
create function public.objects_removed(p_imports uuid[]) returns bigint
language sql set search_path = ''
as $$
  with removed as (
    update public.imports set object_removed_at = clock_timestamp()
    where id = any (p_imports) and object_expired_at is not null and object_removed_at is null
    returning id
  )
  select count(*) from removed
$$;

-- Marks rejections that are due as expired, of p_limit imports at most. Returns the imports of
-- rejections that are expired and not removed yet, p_limit at most, and whether Storage may have
-- some of them.
create function public.expire_rejections(p_keep double precision, p_limit integer) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_due uuid[];
begin
  v_due := array(
    (
      select id from public.imports
      where rejections_expired_at is null
        and state in ('completed', 'failed', 'cancelled', 'undo_failed')
        and finished_at < v_now - make_interval(secs => p_keep)
      order by finished_at limit p_limit
    )
    union
    (
      select id from public.imports
      where rejections_expired_at is null and keep is not null
        and state in ('completed', 'failed', 'cancelled', 'undo_failed')
        and (finished_at at time zone 'UTC') + keep < v_now at time zone 'UTC'
      order by (finished_at at time zone 'UTC') + keep limit p_limit
    )
    limit p_limit);
  update public.imports i set rejections_expired_at = v_now
  where id = any (v_due) and rejections_expired_at is null and public.is_due(i, p_keep);
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', id, 'stored', rejected > 0 or state <> 'completed')), '[]')
    from (
      select id, rejected, state from public.imports
      where rejections_expired_at is not null and rejections_removed_at is null
      order by rejections_expired_at limit p_limit
    ) expired
  );
end
$$;

-- Removes up to p_limit expired rejections of these imports from their tables. Returns how many.
create function public.remove_rejections(p_imports uuid[], p_limit integer) returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_expired uuid[];
  v_removed bigint;
begin
  -- The lock keeps retry_import from making new rejections meanwhile.
  v_expired := array(
    select id from public.imports
    where id = any (p_imports) and rejections_expired_at is not null
      and rejections_removed_at is null
    order by id for no key update);
  delete from public.import_rejection_objects where import_id = any (v_expired);
  delete from public.import_rejections r
  using (
    select import_id, record from public.import_rejections
    where import_id = any (v_expired) limit p_limit
  ) batch
  where r.import_id = batch.import_id and r.record = batch.record;
  get diagnostics v_removed = row_count;
  return v_removed;
end
$$;

-- Records that the rejections of these imports are removed, in Storage too. Returns of how many
-- that was not known yet.
create function public.rejections_removed(p_imports uuid[]) returns bigint
language sql set search_path = ''
as $$
  with removed as (
    update public.imports set rejections_removed_at = clock_timestamp()
    where id = any (p_imports) and rejections_expired_at is not null
      and rejections_removed_at is null
    returning id
  )
  select count(*) from removed
$$;

-- Removes up to p_limit imports that ended more than p_keep seconds ago, with their parts and
-- idempotency keys, once their objects and rejections are removed and nothing is left to notify of.
-- Returns how many.
create function public.remove_imports(p_keep double precision, p_limit integer) returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_before timestamptz := clock_timestamp() - make_interval(secs => p_keep);
  v_removed bigint;
begin
  delete from public.imports
  where id = any (array(
    select id from public.imports
    where object_removed_at is not null and rejections_removed_at is not null
      and finished_at < v_before and state <> 'undoing'
      and (notify is null or not public.is_pending((notify #>> '{message,message_id}')::uuid))
    order by finished_at limit p_limit
  ))
    and object_removed_at is not null and rejections_removed_at is not null
    and finished_at < v_before and state <> 'undoing';
  get diagnostics v_removed = row_count;
  return v_removed;
end
$$;

-- Erasures: everything about an e-mail address is removed, where it stands alone. A worker does it,
-- some thousand rows at a time. What was done is kept, without the address.
create table public.erasures (
  id uuid primary key,

  -- The request.
  email text,
  remove_objects boolean not null,
  message jsonb not null,
  created_by text,
  created_at timestamptz not null default now(),

  -- The work.
  state text not null default 'queued' constraint erasures_state check (
    state in ('queued', 'completed', 'failed')),
  contacts_until uuid not null default '00000000-0000-0000-0000-000000000000',
  rejections_until jsonb not null default '["00000000-0000-0000-0000-000000000000", 0]',
  objects_until jsonb not null default '["00000000-0000-0000-0000-000000000000", 0]',
  finished_at timestamptz,

  -- The result.
  contacts bigint not null default 0,
  rejections bigint not null default 0,
  objects_removed bigint not null default 0,
  concurrent_imports bigint not null default 0,
  failure jsonb,

  constraint erasures_forgotten check ((email is not null) = (state = 'queued')),
  constraint erasures_finished check ((finished_at is null) = (state = 'queued')),
  constraint erasures_failure check ((failure is not null) = (state = 'failed'))
);

comment on column public.erasures.email is 'the address; null once the erasure has ended';
comment on column public.erasures.remove_objects is
  'whether the objects of imports that had the address are removed, too';
comment on column public.erasures.message is 'message for the actor that does the work';
comment on column public.erasures.created_by is
  'name of the API key of the request; null if it needed none';
comment on column public.erasures.contacts_until is 'contacts before this id are searched';
comment on column public.erasures.rejections_until is
  'import and record of the last rejection that was searched';
comment on column public.erasures.objects_until is
  'import and first record of the last object with rejections that was searched';
comment on column public.erasures.concurrent_imports is
  'number of imports that ran meanwhile: what they wrote later may have the address, too';

create index erasures_open_idx on public.erasures (id) where state = 'queued';

-- The imports that had the address in a contact or a rejection.
create table public.erasure_imports (
  erasure_id uuid not null references public.erasures on delete cascade,
  import_id uuid not null references public.imports on delete cascade,
  primary key (erasure_id, import_id)
);

create index erasure_imports_import_idx on public.erasure_imports (import_id);

-- Records an erasure and queues its message. Changes nothing if it is recorded. Returns it as
-- get_erasure does.
create function public.create_erasure(
  p_erasure uuid, p_email text, p_remove_objects boolean, p_message jsonb, p_by text
) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  insert into public.erasures (id, email, remove_objects, message, created_by)
  values (p_erasure, p_email, p_remove_objects, p_message, p_by)
  on conflict (id) do nothing;
  if found then
    perform public.enqueue_message(p_message);
  end if;
  return public.get_erasure(p_erasure);
end
$$;

-- Returns an erasure as GET /erasures/{erasureId} shows it; null if it is unknown. Of the imports
-- whose objects are kept and may have the address, it returns the first 1,001.
create function public.get_erasure(p_erasure uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object(
    'id', e.id, 'state', e.state, 'created_by', e.created_by, 'created_at', e.created_at,
    'finished_at', e.finished_at, 'contacts', e.contacts, 'rejections', e.rejections,
    'objects_removed', e.objects_removed, 'concurrent_imports', e.concurrent_imports,
    'failure', e.failure,
    'objects', (
      select coalesce(jsonb_agg(id order by id), '[]')
      from (
        select i.id
        from public.erasure_imports o
        join public.imports i on i.id = o.import_id
        where o.erasure_id = e.id and i.object_expired_at is null
        order by i.id limit 1001
      ) kept
    )
  )
  from public.erasures e
  where e.id = p_erasure
$$;

-- Returns the address of an erasure that has not ended, else null.
create function public.address_to_erase(p_erasure uuid) returns text
language sql stable set search_path = ''
as $$
  select email from public.erasures where id = p_erasure
$$;

-- Returns whether contacts have a usable index on lower(email), which is up to the operator.
create function public.has_email_index() returns boolean
language sql stable set search_path = ''
as $$
  select exists (
    select from pg_catalog.pg_index
    where indrelid = 'public.contacts'::regclass and indisvalid and indpred is null
      and pg_catalog.pg_get_indexdef(indexrelid, 1, true) = 'lower(email)')
$$;

-- Removes the contacts with the address of an erasure: up to p_limit of them if there is an index
-- on lower(email), else those among the next p_limit contacts. Notes the imports that they came
-- from. Returns whether there may be more; false too if the erasure has ended.
create function public.erase_contacts(p_erasure uuid, p_limit integer) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_erasure public.erasures;
  v_last uuid;
  v_ids uuid[];
begin
  select * into v_erasure from public.erasures
  where id = p_erasure and state = 'queued' for no key update;
  if not found then
    return false;
  end if;
  if public.has_email_index() then
    v_ids := array(
      select id from public.contacts where lower(email) = lower(v_erasure.email) limit p_limit);
  else
    select id into v_last from public.contacts
    where id >= v_erasure.contacts_until order by id offset p_limit limit 1;
    v_ids := array(
      select id from public.contacts
      where id >= v_erasure.contacts_until and (v_last is null or id < v_last)
        and lower(email) = lower(v_erasure.email));
  end if;
  if cardinality(v_ids) > 0 then
    insert into public.erasure_imports (erasure_id, import_id)
    select distinct p_erasure, i.id
    from unnest(v_ids) as c (id)
    join public.imports i
      on left(i.id::text, 27) = overlay(left(c.id::text, 27) placing '7' from 15)
    on conflict do nothing;
    with erased as (delete from public.contacts where id = any (v_ids) returning id)
    update public.erasures set contacts = contacts + (select count(*) from erased)
    where id = p_erasure;
  end if;
  if v_last is not null then
    update public.erasures set contacts_until = v_last where id = p_erasure;
    return true;
  end if;
  return cardinality(v_ids) >= p_limit;
end
$$;

-- Returns those of the next p_limit rejections that may have the address of an erasure, and the
-- last one that was looked at; null if none is left, or the erasure has ended. Those with
-- characters that JSON has escaped may have it. Parts that are not done are left out: their
-- rejections are counted when they end.
create function public.rejections_to_search(p_erasure uuid, p_limit integer) returns jsonb
language sql stable set search_path = ''
as $$
  with page as materialized (
    select r.import_id, r.record, r.part, r.message, r.content, e.email
    from public.erasures e
    cross join lateral (
      select * from public.import_rejections
      where (import_id, record)
        > ((e.rejections_until ->> 0)::uuid, (e.rejections_until ->> 1)::bigint)
      order by import_id, record limit p_limit
    ) r
    where e.id = p_erasure and e.state = 'queued'
  )
  select jsonb_build_object(
    'until', jsonb_build_array(last.import_id, last.record),
    'rejections', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'place', jsonb_build_array(p.import_id, p.record),
        'text', p.content || E'\n' || p.message)), '[]')
      from page p
      join public.import_parts o on o.import_id = p.import_id and o.part = p.part
      where o.state in ('done', 'failed', 'cancelled') and (
        strpos(lower(p.content), lower(p.email)) > 0 or strpos(p.content, '\u') > 0
        or strpos(lower(p.message), lower(p.email)) > 0)
    )
  )
  from (select import_id, record from page order by import_id desc, record desc limit 1) last
$$;

-- Removes these rejections, each as [import, record], for an erasure that has searched all up to
-- p_until. Notes the imports that they came from. Changes nothing if the erasure has ended.
create function public.erase_rejections(p_erasure uuid, p_until jsonb, p_rejections jsonb)
returns void
language plpgsql set search_path = ''
as $$
begin
  perform from public.erasures where id = p_erasure and state = 'queued' for no key update;
  if not found then
    return;
  end if;
  with erased as (
    delete from public.import_rejections r
    using jsonb_array_elements(p_rejections) as place, public.import_parts p
    where r.import_id = (place ->> 0)::uuid and r.record = (place ->> 1)::bigint
      and p.import_id = r.import_id and p.part = r.part
      and p.state in ('done', 'failed', 'cancelled')
    returning r.import_id
  ),
  noted as (
    insert into public.erasure_imports (erasure_id, import_id)
    select distinct p_erasure, import_id from erased
    on conflict do nothing
  )
  update public.erasures
  set rejections = rejections + (select count(*) from erased), rejections_until = p_until
  where id = p_erasure;
end
$$;

-- Returns the next p_limit objects with rejections that are to be searched for the address of an
-- erasure, with their places, each as [import, first record].
create function public.rejection_objects_to_search(p_erasure uuid, p_limit integer) returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'place', jsonb_build_array(o.import_id, o.first_record), 'object', o.object)
    order by o.import_id, o.first_record), '[]')
  from public.erasures e
  cross join lateral (
    select r.import_id, r.first_record, r.object
    from public.import_rejection_objects r
    join public.import_parts p on p.import_id = r.import_id and p.part = r.part
    join public.imports i on i.id = r.import_id
    where (r.import_id, r.first_record)
      > ((e.objects_until ->> 0)::uuid, (e.objects_until ->> 1)::bigint)
      and p.state in ('done', 'failed', 'cancelled') and i.rejections_expired_at is null
    order by r.import_id, r.first_record limit p_limit
  ) o
  where e.id = p_erasure and e.state = 'queued'
$$;

-- Records that an erasure has searched all objects with rejections up to p_until, and has removed
-- p_erased rejections from that one. Returns whether the object is still in use.
create function public.note_searched_object(p_erasure uuid, p_until jsonb, p_erased bigint)
returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_import uuid := (p_until ->> 0)::uuid;
begin
  update public.erasures
  set rejections = rejections + p_erased, objects_until = p_until
  where id = p_erasure and state = 'queued';
  if found and p_erased > 0 then
    insert into public.erasure_imports (erasure_id, import_id)
    select p_erasure, id from public.imports where id = v_import
    on conflict do nothing;
  end if;
  return exists (
    select from public.import_rejection_objects
    where import_id = v_import and first_record = (p_until ->> 1)::bigint);
end
$$;

-- Marks the objects of imports that had the address of an erasure as expired, if the erasure asks
-- for that: expire_objects returns them until they are removed. Imports that have not ended keep
-- theirs. Also removes samples of text that have the address from these imports, and counts the
-- imports that ran since the erasure was asked for.
create function public.expire_erased_objects(p_erasure uuid) returns void
language plpgsql set search_path = ''
as $$
declare
  v_erasure public.erasures;
begin
  select * into v_erasure from public.erasures
  where id = p_erasure and state = 'queued' for no key update;
  if not found then
    return;
  end if;
  update public.erasures
  set concurrent_imports = greatest(concurrent_imports, (
        select count(*) from public.imports
        where state in ('queued', 'importing', 'cancelling')
      ) + (
        select count(*) from public.imports
        where finished_at > v_erasure.created_at and object_expired_at is null))
  where id = p_erasure;
  update public.imports i
  set detected = i.detected - 'sample'
  from public.erasure_imports o
  where o.erasure_id = p_erasure and i.id = o.import_id
    and strpos(lower(i.detected ->> 'sample'), lower(v_erasure.email)) > 0;
  if v_erasure.remove_objects then
    with expired as (
      update public.imports i
      set object_expired_at = clock_timestamp()
      from public.erasure_imports o
      where o.erasure_id = p_erasure and i.id = o.import_id and i.object_expired_at is null
        and i.state in ('completed', 'failed', 'cancelled', 'undo_failed')
      returning i.id
    )
    update public.erasures
    set objects_removed = objects_removed + (select count(*) from expired)
    where id = p_erasure;
  end if;
end
$$;

-- Completes an erasure, and forgets the address.
create function public.finish_erasure(p_erasure uuid) returns void
language sql set search_path = ''
as $$
  update public.erasures
  set state = 'completed', email = null, finished_at = clock_timestamp()
  where id = p_erasure and state = 'queued'
$$;

-- Ends an erasure that the database or Storage refuses, and forgets the address. What was removed
-- stays so.
create function public.fail_erasure(p_erasure uuid, p_code text, p_detail text) returns void
language sql set search_path = ''
as $$
  update public.erasures
  set state = 'failed', email = null, finished_at = clock_timestamp(),
      failure = jsonb_build_object('code', p_code, 'detail', p_detail)
  where id = p_erasure and state = 'queued'
$$;

-- Queues the messages of erasures that are missing from the queue.
create function public.queue_erasures() returns void
language sql set search_path = ''
as $$
  select public.enqueue_message(message) from public.erasures where state = 'queued'
$$;

do $$
declare
  v_table regclass;
  v_function regprocedure;
begin
  foreach v_table in array array['public.erasures', 'public.erasure_imports']::regclass[] loop
    execute format('alter table %s enable row level security', v_table);
    execute format('revoke all on %s from anon, authenticated, service_role', v_table);
    execute format('grant select, insert, update, delete on %s to service_role', v_table);
  end loop;

  foreach v_function in array array[
    'public.is_due', 'public.expire_objects', 'public.objects_removed',
    'public.expire_rejections', 'public.remove_rejections', 'public.rejections_removed',
    'public.remove_imports', 'public.create_erasure', 'public.get_erasure',
    'public.address_to_erase', 'public.has_email_index', 'public.erase_contacts',
    'public.rejections_to_search', 'public.erase_rejections',
    'public.rejection_objects_to_search', 'public.note_searched_object',
    'public.expire_erased_objects', 'public.finish_erasure', 'public.fail_erasure',
    'public.queue_erasures'
  ]::regproc[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- PostgREST caches the schema.
notify pgrst, 'reload schema';
