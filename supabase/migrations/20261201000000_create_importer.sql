-- The files of supabase/schemas, concatenated: see supabase/README.md.

-- supabase/schemas/00_overview.sql

-- The database of the contacts importer.
--
-- supabase/schemas describes the database as it is now: one file a subject, applied in the order of
-- their names. supabase/migrations creates it step by step; its first migration is these files,
-- concatenated. supabase/README.md describes how to change the schema.
--
--   10_contacts            the users' table
--   20_queue               messages for the workers
--   30_imports             imports and their parts
--   35_bucket              where Storage keeps the uploaded files
--   40_accepting           recording an import, or discarding it
--   50_parts               attempts of parts, and the end of an import
--   60_writing_contacts    batches of contacts
--   65_rejections          records that are not valid contacts
--   70_cancel_retry_undo   what a user can do to an import
--   80_sweeping            finding imports and objects that a crash left behind
--   85_reading             what GET requests return
--   90_privileges          who may use which table and function
--
-- State changes only through these functions, which refuse illegal transitions. Each can be called
-- again if its response was lost: the second call changes nothing.
--
-- Transitions of an import:
--
--   queued -> importing                                      start_import, start_part
--   importing -> completed | failed                          close_import, after the last part
--   queued | importing -> cancelling                         cancel_import, undo_import
--   cancelling -> cancelled                                  close_import, after the last part
--   failed -> queued                                         retry_import
--   completed | failed | cancelled | undo_failed -> undoing  undo_import, close_import
--   undoing -> undone                                        finish_undo
--   undoing -> undo_failed                                   fail_undo
--
-- Transitions of a part:
--
--   queued | importing -> importing                          start_part
--   importing -> queued                                      postpone_part
--   importing -> done                                        finish_part, write_contacts
--   queued | importing -> failed                             fail_part, start_part
--   queued | importing -> cancelled                          cancel_part, start_part, cancel_import
--   failed -> queued                                         retry_import
--   done | failed | cancelled -> undone                      undo_some, begin_undo
--
-- SQLSTATEs that callers distinguish. No trigger or constraint on contacts raises CI001 to CI003.
--
--   PT409   illegal transition; PostgREST responds with status 409
--   CI001   the part is not in state importing
--   CI002   the import is being cancelled: the attempt has to call cancel_part
--   CI003   another attempt owns the part
--
-- Locks: a function that locks an import and its part locks the import first, so concurrent calls
-- wait for each other but never deadlock. A batch of contacts or rejections locks only the part, in
-- share mode. Rows are locked `for no key update`, which does not conflict with the locks that the
-- foreign keys of new rejections take.

-- supabase/schemas/10_contacts.sql

-- The users' table, in the form they specified.
create table if not exists public.contacts (
  id uuid primary key default gen_random_uuid(),
  name text,
  email text,
  source text,
  imported_at timestamp default now()
);

-- supabase/schemas/20_queue.sql

-- The queue of dramatiq-pg 0.12, as `dramatiq-pg init` creates it. It is not in `public`, so no API
-- serves it.
create schema if not exists dramatiq;

do $$
begin
  if to_regtype('dramatiq.state') is null then
    create type dramatiq.state as enum ('queued', 'consumed', 'rejected', 'done');
  end if;
end
$$;

create table if not exists dramatiq.queue (
  message_id uuid primary key,
  queue_name text not null default 'default',
  state dramatiq.state,
  mtime timestamp with time zone default (now() at time zone 'UTC'),
  message jsonb,
  result jsonb,
  result_ttl timestamp with time zone
);

create index if not exists queue_state_mtime_idx on dramatiq.queue (state, mtime);

-- Covers only pending messages, so that its cost does not grow with the number of finished ones.
create index queue_pending_idx on dramatiq.queue (queue_name, mtime)
where state in ('queued', 'consumed');

-- Returns the key of the advisory lock that dramatiq-pg holds while a message is processed
-- (`message_lock` in its broker.py): the 8 middle bytes of a hash as an unsigned number, shifted
-- into the range of bigint.
create function dramatiq.message_lock(p_queue text, p_message uuid) returns bigint
language sql immutable strict parallel safe
return (
  'x' || encode(substr(sha256(convert_to(p_queue || p_message, 'UTF8')), 13, 8), 'hex')
)::bit(64)::bigint # (-9223372036854775808)::bigint;

-- Returns the oldest messages of a queue that no session has locked. Locked ones are skipped, so
-- that they cannot fill the limit. Has no `set search_path`, because Postgres would then neither
-- inline the function nor use the index as well.
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

-- Puts a message on the queue, in the caller's transaction, so that recording and queueing are
-- atomic. Message ids are computed, so a message may exist already: a finished one is queued again,
-- a pending one is left unchanged.
create function public.enqueue_message(p_message jsonb) returns void
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

-- Puts several messages on the queue, as enqueue_message does.
create function public.queue_messages(p_messages jsonb) returns void
language sql set search_path = ''
as $$
  select public.enqueue_message(message) from jsonb_array_elements(p_messages) as message
$$;

-- Returns true if the queue can be read, and raises otherwise. Used by the readiness check.
create function public.queue_ready() returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform from dramatiq.queue limit 1;
  return true;
end
$$;

-- supabase/schemas/30_imports.sql

-- One row for each accepted request.
create table public.imports (
  id uuid primary key,

  -- The request.
  source text not null,
  format text not null constraint imports_format check (format in ('json', 'csv', 'ndjson')),
  dry_run boolean not null default false,
  idempotency_key text unique,
  fingerprint text,
  joined boolean not null default false,
  notify jsonb,

  -- The uploaded file.
  received bigint,
  sha256 text,
  detected jsonb,
  object text not null,
  bytes bigint not null check (bytes >= 0),
  layout jsonb,
  ignored jsonb,
  records bigint not null check (records >= 0),

  -- The processing.
  state text not null default 'queued' constraint imports_state check (state in (
    'queued', 'importing', 'completed', 'failed', 'cancelling', 'cancelled', 'undoing', 'undone',
    'undo_failed')),
  message_id uuid not null,
  generation integer not null default 0,
  undo jsonb,
  undo_failure jsonb,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,

  constraint imports_finished check (
    (finished_at is not null) = (state not in ('queued', 'importing', 'cancelling')))
);

comment on column public.imports.dry_run is 'records are validated, but no contact is written';
comment on column public.imports.fingerprint is
  'hash of content and options: equal for requests that ask for the same';
comment on column public.imports.joined is
  'another request with the same idempotency_key received this import as its response';
comment on column public.imports.notify is
  'URL to notify of the end, and the message for the actor that does it';
comment on column public.imports.received is 'number of bytes that the client sent';
comment on column public.imports.sha256 is 'digest of the bytes that the client sent';
comment on column public.imports.detected is 'properties found in the file, such as its encoding';
comment on column public.imports.bytes is 'size of the object';
comment on column public.imports.layout is
  'CSV: delimiter, header and positions of the columns; null for other formats';
comment on column public.imports.ignored is 'names of columns that are not imported';
comment on column public.imports.message_id is 'message of the first run, or of the last retry';
comment on column public.imports.generation is
  'number of retries; part messages are computed from it, so each retry has new ones';
comment on column public.imports.undo is 'message for the undo; null until it is requested';
comment on column public.imports.undo_failure is
  'reason why the undo failed, and number of contacts left; null unless undo_failed';

-- The ids of an import's contacts begin with these digits of the import's id, so no two imports can
-- share a contact id.
create unique index imports_contact_prefix_key on public.imports (left(id::text, 27));

-- For sweeps: the unfinished imports only.
create index imports_open_idx on public.imports (id)
where state in ('queued', 'importing', 'cancelling', 'undoing');

-- For list_imports.
create index imports_state_idx on public.imports (state, id);
create index imports_source_idx on public.imports (source, id);

-- One row for each byte range of an import's object: the unit of work and of retry.
create table public.import_parts (
  import_id uuid not null references public.imports on delete cascade,
  part integer not null check (part >= 1),
  byte_start bigint not null,
  byte_end bigint not null check (byte_end > byte_start),
  first_record bigint not null check (first_record >= 1),
  records bigint not null check (records >= 1),

  -- The processing.
  state text not null default 'queued' constraint import_parts_state check (state in (
    'queued', 'importing', 'done', 'failed', 'cancelled', 'undone')),
  attempt uuid,
  open_attempts uuid[] not null default '{}',
  retries integer not null default 0,
  stops integer not null default 0,
  started_at timestamptz,
  finished_at timestamptz,

  -- The result.
  imported bigint not null default 0,
  rejected bigint not null default 0,
  not_processed bigint not null generated always as (records - imported - rejected) stored,
  rejected_codes jsonb,
  ignored jsonb,
  failure_code text,
  failure text,

  primary key (import_id, part),
  constraint every_record_is_accounted_for check (
    imported >= 0 and rejected >= 0 and not_processed >= 0
    and (state <> 'done' or not_processed = 0)
    and (state not in ('queued', 'importing', 'undone') or imported + rejected = 0)),
  constraint import_parts_failure check ((failure_code is not null) = (state = 'failed'))
);

comment on column public.import_parts.byte_end is 'exclusive';
comment on column public.import_parts.attempt is
  'owner: the last attempt that was started, and the only one that may end the part';
comment on column public.import_parts.open_attempts is
  'attempts without a known end; a part with too many of them fails';
comment on column public.import_parts.retries is
  'how often it was postponed because something it needs was unavailable';
comment on column public.import_parts.stops is
  'how often it was postponed because its worker was stopped';
comment on column public.import_parts.rejected_codes is
  'number of rejections by code; null if there are none';
comment on column public.import_parts.ignored is 'names of fields that were found and not imported';

-- Imports that were discarded. A request to record one may still be in flight and arrive last; it
-- would create an import without an object, after the client was told to send it again.
create table public.discarded_imports (
  id uuid primary key,
  discarded_at timestamptz not null default clock_timestamp()
);

comment on table public.discarded_imports is 'kept for a day: no request is in flight longer';

-- supabase/schemas/35_bucket.sql

-- The private bucket of the uploaded files. If Storage has not created its tables yet, the service
-- creates the bucket when it starts.
do $$
begin
  if to_regclass('storage.buckets') is not null then
    insert into storage.buckets (id, name, public)
    values ('imports', 'imports', false)
    on conflict (id) do nothing;
  end if;
end
$$;

-- supabase/schemas/40_accepting.sql

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
        id, source, format, layout, object, bytes, records, message_id,
        dry_run, sha256, received, detected, ignored, idempotency_key, fingerprint, notify
      )
      values (
        v_id, p_import ->> 'source', p_import ->> 'format', nullif(p_import -> 'layout', 'null'),
        p_import ->> 'object', (p_import ->> 'bytes')::bigint, (p_import ->> 'records')::bigint,
        (p_message ->> 'message_id')::uuid,
        coalesce((p_import ->> 'dry_run')::boolean, false), p_import ->> 'sha256',
        (p_import ->> 'received')::bigint, nullif(p_import -> 'detected', 'null'),
        nullif(p_import -> 'ignored', 'null'), p_import ->> 'idempotency_key',
        p_import ->> 'fingerprint', nullif(p_import -> 'notify', 'null')
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

-- supabase/schemas/50_parts.sql

-- Starts a queued import, and closes it if no part is left to do. Returns its state, its generation
-- (part messages are computed from it) and the numbers of the unfinished parts; null if the import
-- is unknown.
create function public.start_import(p_import uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  update public.imports
  set state = 'importing', started_at = coalesce(started_at, clock_timestamp())
  where id = p_import and state = 'queued';
  v_state := public.close_import(p_import);
  if v_state is null then
    return null;
  end if;
  return jsonb_build_object(
    'state', v_state,
    'generation', (select generation from public.imports where id = p_import),
    'parts', (
      select coalesce(jsonb_agg(part order by part), '[]')
      from public.import_parts where import_id = p_import and state in ('queued', 'importing')
    )
  );
end
$$;

-- Locks an import and its part for a transition, and returns the part. Raises CI003 unless the
-- attempt owns the part.
create function public.lock_part(p_import uuid, p_part integer, p_attempt uuid)
returns public.import_parts
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
begin
  perform from public.imports where id = p_import for no key update;
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for no key update;
  if v_part.attempt is distinct from p_attempt then
    raise sqlstate 'CI003' using message = format(
      'part %s of import %s is owned by another attempt', p_part, p_import);
  end if;
  return v_part;
end
$$;

-- Assigns a part to an attempt, which owns it from now on. Returns what is needed to run
-- the part; null if there is nothing to do, because the part is unknown or finished. The same
-- attempt may call it again. p_ended lists attempts whose orderly end could not be recorded when it
-- happened, because the database was unavailable.
--
-- If the import is being cancelled, the part is cancelled: returns {"cancelled": ...}. If
-- p_max_attempts attempts have no known end, the part fails: returns {"given_up": ...}. Both hold
-- what part_ended returns.
--
-- A part with two attempts of no known end may have killed its worker, and everything else that ran
-- in it. Then only a worker that runs nothing else may start the part (p_alone); others get
-- {"suspect": true}. So a bad part neither stops other parts nor uses up their attempts.
create function public.start_part(
  p_import uuid, p_part integer, p_attempt uuid, p_max_attempts integer,
  p_alone boolean default true, p_ended uuid[] default '{}'
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
  v_part public.import_parts;
  v_open uuid[];
begin
  select * into v_import from public.imports where id = p_import for no key update;
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for no key update;
  if v_part.state is null or v_part.state not in ('queued', 'importing') then
    return null;
  end if;
  if v_import.state = 'cancelling' then
    return jsonb_build_object('cancelled', public.part_ended(
      p_import, p_part, 'cancelled',
      public.stop_parts(p_import, '{queued,importing}', p_part, 'cancelled', null, null)));
  end if;
  v_open := array(
    select attempt from unnest(v_part.open_attempts) as open (attempt)
    where attempt <> p_attempt and attempt <> all (p_ended));
  if not p_alone and cardinality(v_open) >= greatest(1, least(2, p_max_attempts - 1)) then
    update public.import_parts set open_attempts = v_open
    where import_id = p_import and part = p_part;
    return jsonb_build_object('suspect', true);
  end if;
  update public.imports
  set state = 'importing', started_at = coalesce(started_at, clock_timestamp())
  where id = p_import and state = 'queued';
  if cardinality(v_open) >= p_max_attempts then
    return jsonb_build_object('given_up', public.part_ended(
      p_import, p_part, 'failed', public.stop_parts(
        p_import, '{queued,importing}', p_part, 'failed', 'attempts_exhausted',
        format('The part was started %s times and never finished: its workers died or hung.',
               p_max_attempts))));
  end if;
  if v_part.started_at is not null and v_part.attempt is distinct from p_attempt then
    perform public.clear_rejections(v_part);
  end if;
  update public.import_parts
  set state = 'importing', attempt = p_attempt, open_attempts = v_open || p_attempt,
      started_at = coalesce(started_at, clock_timestamp())
  where import_id = p_import and part = p_part;
  return jsonb_build_object(
    'source', v_import.source, 'format', v_import.format, 'layout', v_import.layout,
    'object', v_import.object, 'dry_run', v_import.dry_run,
    'byte_start', v_part.byte_start, 'byte_end', v_part.byte_end,
    'first_record', v_part.first_record, 'records', v_part.records,
    'rerun', v_part.started_at is not null);
end
$$;

-- Records the orderly end of an attempt that has not finished its part, so that it does not count
-- as a crash. If the attempt owns the part, the part is queued again. Returns how often the part
-- was postponed because something it needs was unavailable (p_away, as opposed to a stop of the
-- worker); null if the attempt does not own the part.
create function public.postpone_part(
  p_import uuid, p_part integer, p_attempt uuid, p_away boolean
) returns integer
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_is_mine boolean;
begin
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for no key update;
  v_is_mine := v_part.state = 'importing' and v_part.attempt = p_attempt;
  update public.import_parts
  set open_attempts = array_remove(open_attempts, p_attempt),
      state = case when v_is_mine then 'queued' else state end,
      retries = retries + (v_is_mine and p_away)::integer,
      stops = stops + (v_is_mine and not p_away)::integer
  where import_id = p_import and part = p_part and p_attempt = any (open_attempts);
  return case when v_is_mine then v_part.retries + p_away::integer end;
end
$$;

-- Marks a part as done. Rejections are counted as stored, so if one is missing, the constraint
-- every_record_is_accounted_for refuses the update. A rejected record that is a contact counts as
-- imported. Returns what part_ended returns; raises CI003 and PT409.
create function public.finish_part(
  p_import uuid, p_part integer, p_attempt uuid, p_imported bigint, p_rejected bigint,
  p_ignored jsonb default null
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts := public.lock_part(p_import, p_part, p_attempt);
  v_codes jsonb;
  v_removed bigint := 0;
begin
  if v_part.state = 'importing' then
    if p_rejected > 0 then
      select codes, removed into v_codes, v_removed from public.settle_rejections(v_part);
    end if;
    update public.import_parts
    set state = 'done', imported = p_imported + v_removed,
        rejected = public.sum_of_codes(v_codes), rejected_codes = v_codes, open_attempts = '{}',
        ignored = nullif(p_ignored, 'null'), finished_at = clock_timestamp()
    where import_id = p_import and part = p_part;
  end if;
  return public.part_ended(p_import, p_part, 'done', v_part.state = 'importing');
end
$$;

-- Marks a part as failed, and counts what its attempts have written. Returns what part_ended
-- returns; raises CI003 and PT409.
create function public.fail_part(
  p_import uuid, p_part integer, p_attempt uuid, p_code text, p_failure text
) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform public.lock_part(p_import, p_part, p_attempt);
  return public.part_ended(p_import, p_part, 'failed', public.stop_parts(
    p_import, '{queued,importing}', p_part, 'failed', p_code, p_failure));
end
$$;

-- Marks a part as cancelled, and counts what its attempts have written. Returns what part_ended
-- returns; raises CI003, and PT409 if the import is not being cancelled.
create function public.cancel_part(p_import uuid, p_part integer, p_attempt uuid) returns jsonb
language plpgsql set search_path = ''
as $$
begin
  perform public.lock_part(p_import, p_part, p_attempt);
  return public.part_ended(p_import, p_part, 'cancelled', case
    when exists (select from public.imports where id = p_import and state = 'cancelling')
    then public.stop_parts(p_import, '{queued,importing}', p_part, 'cancelled', null, null)
    else false end);
end
$$;

-- Sets the state of parts that are not done, and counts what their attempts have written: of all
-- parts in p_states, or only p_part if it is in one of them. Returns whether there was any. The
-- caller must have locked the import.
create function public.stop_parts(
  p_import uuid, p_states text[], p_part integer, p_state text, p_code text, p_failure text
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_imported bigint;
  v_codes jsonb;
  v_any boolean := false;
begin
  for v_part in
    select * from public.import_parts
    where import_id = p_import and state = any (p_states) and (p_part is null or part = p_part)
    order by part
    for no key update
  loop
    v_any := true;
    v_imported := 0;
    v_codes := null;
    if v_part.started_at is not null then
      v_imported := public.contacts_in(v_part);
      v_codes := (public.settle_rejections(v_part)).codes;
    end if;
    update public.import_parts
    set state = p_state, failure_code = p_code, failure = p_failure, imported = v_imported,
        rejected = public.sum_of_codes(v_codes), rejected_codes = v_codes, open_attempts = '{}',
        finished_at = clock_timestamp()
    where import_id = p_import and part = v_part.part;
  end loop;
  return v_any;
end
$$;

-- Closes the import if the part that ended was its last one. Returns whether the caller changed the
-- part's state (moved), the import's state, whether this call closed the import, and the seconds
-- from its acceptance to its end. Raises PT409 if the part is in another state than p_state.
create function public.part_ended(p_import uuid, p_part integer, p_state text, p_moved boolean)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_part text;
  v_before text;
  v_after text;
begin
  select state into v_part from public.import_parts where import_id = p_import and part = p_part;
  if v_part is distinct from p_state then
    raise sqlstate 'PT409' using message = format(
      'part %s of import %s cannot become %s: its state is %s', p_part, p_import, p_state,
      coalesce(v_part, 'unknown'));
  end if;
  select state into v_before from public.imports where id = p_import;
  v_after := public.close_import(p_import);
  return (
    select jsonb_build_object(
      'moved', p_moved,
      'state', v_after,
      'closed', v_after is distinct from v_before,
      'seconds', extract(epoch from finished_at - created_at)
    )
    from public.imports where id = p_import
  );
end
$$;

-- Closes a started import if none of its parts is left to do: sets its final state, queues the
-- notification, and starts an undo that was requested meanwhile. Returns the import's state; null
-- if it is unknown.
create function public.close_import(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
begin
  -- The lock serialises the ends of parts, so that the last one sees all the others.
  select * into v_import from public.imports where id = p_import for no key update;
  if v_import.state is null or v_import.state not in ('importing', 'cancelling') or exists (
    select from public.import_parts
    where import_id = p_import and state in ('queued', 'importing')
  ) then
    return v_import.state;
  end if;
  update public.imports
  set state = case
        when v_import.state = 'cancelling' then 'cancelled'
        when exists (
          select from public.import_parts where import_id = p_import and state = 'failed'
        ) then 'failed'
        else 'completed' end,
      finished_at = clock_timestamp()
  where id = p_import
  returning * into v_import;
  if v_import.notify is not null then
    perform public.enqueue_message(v_import.notify -> 'message');
  end if;
  if v_import.undo is not null then
    return public.begin_undo(p_import);
  end if;
  return v_import.state;
end
$$;

-- supabase/schemas/60_writing_contacts.sql

-- Returns the id of an import's contact: the first 23 hexadecimal digits of the import's id, marked
-- as a UUIDv8, and the record number as the last nine. Python computes the same id. Has no `set
-- search_path`, because Postgres would then not inline the function.
create function public.contact_id(p_import uuid, p_record bigint) returns uuid
language sql immutable parallel safe
as $$
  select (
    overlay(left(p_import::text, 27) placing '8' from 15) || lpad(to_hex(p_record), 9, '0')
  )::uuid
$$;

-- Returns the contacts of neighbouring records. p_fields holds all names, then all e-mail
-- addresses; a record with neither is not a contact. Has no `set search_path` for the same reason.
create function public.contacts_of(
  p_prefix text, p_first_record bigint, p_source text, p_fields text[]
) returns table (id uuid, name text, email text, source text)
language sql immutable parallel safe
as $$
  select
    (p_prefix || pg_catalog.lpad(pg_catalog.to_hex(p_first_record + f.at - 1), 9, '0'))::uuid,
    f.name, f.email, p_source
  from rows from (
    pg_catalog.unnest(p_fields[:pg_catalog.cardinality(p_fields) / 2]),
    pg_catalog.unnest(p_fields[pg_catalog.cardinality(p_fields) / 2 + 1:])
  ) with ordinality as f (name, email, at)
  where f.name is not null or f.email is not null
$$;

-- Prevents the end of a part until the end of a transaction that writes contacts or rejections of
-- it. Raises CI001, CI002 or CI003.
create function public.hold_part(p_import uuid, p_part integer, p_attempt uuid) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
begin
  select * into v_part from public.import_parts
  where import_id = p_import and part = p_part for share;
  if v_part.state is distinct from 'importing' then
    raise sqlstate 'CI001' using message = format(
      'part %s of import %s is not in state importing', p_part, p_import);
  end if;
  if v_part.attempt is distinct from p_attempt then
    raise sqlstate 'CI003' using message = format(
      'part %s of import %s is owned by another attempt', p_part, p_import);
  end if;
  if exists (select from public.imports where id = p_import and state = 'cancelling') then
    raise sqlstate 'CI002' using message = format('import %s is being cancelled', p_import);
  end if;
end
$$;

-- Writes a batch of contacts; contacts that exist are left unchanged. The text is one line of JSON,
-- then the fields as in contacts_of, separated by the delimiter. For Postgres that is half the work
-- of a JSON array, and a third of the bytes. Keys of the JSON: import, part, attempt, prefix of the
-- ids, first_record, source, delimiter, and finish (imported, rejected, ignored) if the part is
-- done with this batch. Returns what part_ended returns if the part is done, else null. Raises
-- CI001, CI002 or CI003.
create function public.write_contacts(text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_head jsonb := split_part($1, E'\n', 1)::jsonb;
  v_import uuid := v_head ->> 'import';
  v_part integer := v_head ->> 'part';
  v_attempt uuid := v_head ->> 'attempt';
  v_prefix text := v_head ->> 'prefix';
  v_first bigint := v_head ->> 'first_record';
  v_source text := v_head ->> 'source';
  v_fields text[] := string_to_array(
    substr($1, strpos($1, E'\n') + 1), v_head ->> 'delimiter', '');
  v_end jsonb := v_head -> 'finish';
begin
  if v_end is null then
    perform public.hold_part(v_import, v_part, v_attempt);
  elsif (public.lock_part(v_import, v_part, v_attempt)).state <> 'importing' then
    -- An earlier call with this text may have ended the part, and its response was lost.
    return public.part_ended(v_import, v_part, 'done', false);
  elsif exists (select from public.imports where id = v_import and state = 'cancelling') then
    raise sqlstate 'CI002' using message = format('import %s is being cancelled', v_import);
  end if;
  -- Usually none of the contacts exists; then an insert without `on conflict` costs less.
  begin
    insert into public.contacts (id, name, email, source)
    select * from public.contacts_of(v_prefix, v_first, v_source, v_fields);
  exception when unique_violation then
    insert into public.contacts (id, name, email, source)
    select * from public.contacts_of(v_prefix, v_first, v_source, v_fields)
    on conflict (id) do nothing;
  end;
  if v_end is not null then
    return public.finish_part(
      v_import, v_part, v_attempt, (v_end ->> 'imported')::bigint, (v_end ->> 'rejected')::bigint,
      v_end -> 'ignored');
  end if;
  return null;
end
$$;

-- Writes a batch row by row, after the database has refused it as a whole. The text is that of
-- write_contacts; its JSON also lists the beginnings of the SQLSTATEs that blame a row
-- (row_errors). Returns the refused records with their SQLSTATEs, and for each SQLSTATE its first
-- message. All other errors are raised. A refused row that is in the table was written by an
-- earlier attempt: it is a contact.
create function public.insert_apart(text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_head jsonb := split_part($1, E'\n', 1)::jsonb;
  v_prefix text := v_head ->> 'prefix';
  v_first bigint := v_head ->> 'first_record';
  v_fields text[] := string_to_array(
    substr($1, strpos($1, E'\n') + 1), v_head ->> 'delimiter', '');
  v_row_errors text := (
    select '^(' || string_agg(code, '|') || ')'
    from jsonb_array_elements_text(v_head -> 'row_errors') code);
  v_row record;
  v_records bigint[] := '{}';
  v_codes text[] := '{}';
  v_reasons jsonb := '{}';
begin
  -- A constraint that is checked at the end of the transaction does not say which row it refuses.
  set constraints all immediate;
  for v_row in
    select * from public.contacts_of(v_prefix, v_first, v_head ->> 'source', v_fields)
  loop
    begin
      insert into public.contacts (id, name, email, source)
      values (v_row.id, v_row.name, v_row.email, v_row.source)
      on conflict (id) do nothing;
    exception when others then
      if sqlstate !~ v_row_errors then
        raise;
      end if;
      if not exists (select from public.contacts where id = v_row.id) then
        v_records := v_records || ('x' || right(v_row.id::text, 9))::bit(36)::bigint;
        v_codes := v_codes || sqlstate;
        v_reasons := jsonb_build_object(sqlstate, sqlerrm) || v_reasons;
      end if;
    end;
  end loop;
  return jsonb_build_object(
    'records', to_jsonb(v_records), 'codes', to_jsonb(v_codes), 'reasons', v_reasons);
end
$$;

-- As insert_apart, for an attempt that owns its part. Raises CI001, CI002 or CI003.
create function public.write_apart(text) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_head jsonb := split_part($1, E'\n', 1)::jsonb;
begin
  perform public.hold_part(
    (v_head ->> 'import')::uuid, (v_head ->> 'part')::integer, (v_head ->> 'attempt')::uuid);
  return public.insert_apart($1);
end
$$;

-- Returns which of these records are contacts, in order. A later attempt does not reject what an
-- earlier one has written.
create function public.contacts_among(p_import uuid, p_records bigint[]) returns bigint[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(r.record order by r.record), '{}')
  from unnest(p_records) as r (record)
  join public.contacts c on c.id = public.contact_id(p_import, r.record)
$$;

-- Returns the number of a part's contacts. It is exact only if nobody writes contacts: call it with
-- the part locked, in a statement after the one that locks it.
create function public.contacts_in(p_part public.import_parts) returns bigint
language sql stable set search_path = ''
as $$
  select count(*) from public.contacts
  where id between public.contact_id(p_part.import_id, p_part.first_record)
    and public.contact_id(p_part.import_id, p_part.first_record + p_part.records - 1)
$$;

-- supabase/schemas/65_rejections.sql

-- Records that are not valid contacts: a row each, up to a number for each part.
create table public.import_rejections (
  import_id uuid not null references public.imports on delete cascade,
  record bigint not null check (record >= 1),
  part integer not null,
  code text not null,
  message text not null,
  content text not null,
  primary key (import_id, record)
);

-- The rejections of a part beyond that number: a row for each object in Storage that holds them.
create table public.import_rejection_objects (
  import_id uuid not null references public.imports on delete cascade,
  part integer not null,
  first_record bigint not null check (first_record >= 1),
  last_record bigint not null check (last_record >= first_record),
  codes jsonb not null,
  object text not null,
  primary key (import_id, first_record)
);

comment on column public.import_rejection_objects.codes is
  'number of rejections in the object by code';

-- Writes rejections of a part; those that exist are left unchanged. Raises CI001, CI002 or CI003.
create function public.write_rejections(
  p_import uuid, p_part integer, p_attempt uuid, p_rows jsonb
) returns void
language plpgsql set search_path = ''
as $$
begin
  perform public.hold_part(p_import, p_part, p_attempt);
  insert into public.import_rejections
  select * from jsonb_populate_recordset(null::public.import_rejections, p_rows)
  on conflict do nothing;
end
$$;

-- Records an object with further rejections of a part. Call it after the object is stored, and
-- before the part is done. Raises CI001, CI002 or CI003.
create function public.add_rejection_object(
  p_import uuid, p_part integer, p_attempt uuid, p_object jsonb
) returns void
language plpgsql set search_path = ''
as $$
begin
  perform public.hold_part(p_import, p_part, p_attempt);
  insert into public.import_rejection_objects
  select * from jsonb_populate_record(
    null::public.import_rejection_objects,
    p_object || jsonb_build_object('import_id', p_import, 'part', p_part))
  on conflict do nothing;
end
$$;

-- Removes the rejections of a part, because another attempt is going to find them again.
create function public.clear_rejections(p_part public.import_parts) returns void
language sql set search_path = ''
as $$
  delete from public.import_rejections
  where import_id = p_part.import_id
    and record between p_part.first_record and p_part.first_record + p_part.records - 1;
  delete from public.import_rejection_objects
  where import_id = p_part.import_id
    and first_record between p_part.first_record and p_part.first_record + p_part.records - 1;
$$;

-- Removes rejections of records that are contacts, whichever attempt wrote them. Returns the number
-- of remaining rejections by code (null if there are none) and the number of removed ones. Call it
-- with the part locked, so that nobody writes any.
create function public.settle_rejections(
  p_part public.import_parts, out codes jsonb, out removed bigint
)
language plpgsql set search_path = ''
as $$
begin
  delete from public.import_rejections r
  using public.contacts c
  where r.import_id = p_part.import_id
    and r.record between p_part.first_record and p_part.first_record + p_part.records - 1
    and c.id = public.contact_id(r.import_id, r.record);
  get diagnostics removed = row_count;
  select jsonb_object_agg(total.code, total.number) into codes
  from (
    select each.code, sum(each.number) as number
    from (
      select r.code, count(*) as number from public.import_rejections r
      where r.import_id = p_part.import_id
        and r.record between p_part.first_record and p_part.first_record + p_part.records - 1
      group by r.code
      union all
      select n.key, n.value::bigint
      from public.import_rejection_objects o, jsonb_each_text(o.codes) n
      where o.import_id = p_part.import_id
        and o.first_record between p_part.first_record
          and p_part.first_record + p_part.records - 1
    ) each
    group by each.code
  ) total;
end
$$;

-- Returns the sum of the numbers by code; 0 for null.
create function public.sum_of_codes(p_codes jsonb) returns bigint
language sql immutable parallel safe set search_path = ''
as $$
  select coalesce(sum(value::bigint), 0)::bigint from jsonb_each_text(p_codes)
$$;

-- supabase/schemas/70_cancel_retry_undo.sql

-- Stops an import; what is written stays. Cancels the queued parts; those being imported end when
-- their attempts write the next batch. Returns the import as get_import does; null if it is
-- unknown. Raises PT409 if the import has ended.
create function public.cancel_import(p_import uuid) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  select state into v_state from public.imports where id = p_import for no key update;
  if v_state in ('queued', 'importing') then
    update public.imports set state = 'cancelling' where id = p_import;
    perform public.stop_parts(p_import, '{queued}', null, 'cancelled', null, null);
    perform public.close_import(p_import);
  elsif v_state not in ('cancelling', 'cancelled') then
    raise sqlstate 'PT409' using message = format(
      'import %s cannot be cancelled: its state is %s', p_import, v_state);
  end if;
  return public.get_import(p_import);
end
$$;

-- Queues the failed parts again, and only those. The message is new for each retry; a call with the
-- same message changes nothing. Counts the retry in generation, from which part messages are
-- computed, so that a part's old message, which is possibly just being acknowledged, does not
-- replace the new one. Returns the import as get_import does; null if it is unknown. Raises PT409
-- if the import has not failed.
create function public.retry_import(p_import uuid, p_message jsonb) returns jsonb
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
  for v_part in
    select * from public.import_parts where import_id = p_import and state = 'failed'
    order by part for no key update
  loop
    perform public.clear_rejections(v_part);
  end loop;
  update public.import_parts
  set state = 'queued', imported = 0, rejected = 0, rejected_codes = null, open_attempts = '{}',
      attempt = null, retries = 0, stops = 0, failure_code = null, failure = null,
      finished_at = null
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

-- Starts the removal of everything that an import wrote, by the actor of the message. An import
-- that is not finished is cancelled first, and close_import starts the removal. Returns the import
-- as get_import does; null if it is unknown.
create function public.undo_import(p_import uuid, p_message jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
begin
  select * into v_import from public.imports where id = p_import for no key update;
  update public.imports
  set undo = case
        when v_import.state = 'undo_failed' then p_message
        else coalesce(undo, p_message) end
  where id = p_import;
  if v_import.state in ('queued', 'importing', 'cancelling') then
    perform public.cancel_import(p_import);
  elsif v_import.state in ('completed', 'failed', 'cancelled', 'undo_failed') then
    perform public.begin_undo(p_import);
  end if;
  return public.get_import(p_import);
end
$$;

-- Sets the state to undoing and queues the undo message. Parts that were never started have nothing
-- to remove.
create function public.begin_undo(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_message jsonb;
begin
  update public.imports set state = 'undoing', undo_failure = null
  where id = p_import returning undo into v_message;
  update public.import_parts set state = 'undone' where import_id = p_import and started_at is null;
  perform public.enqueue_message(v_message);
  return 'undoing';
end
$$;

-- Removes up to p_limit contacts of an import that is being undone, and with the last ones of a
-- part its rejections. Returns false when nothing is left. It selects the range of ids first and
-- deletes it then: for "id in (select ... limit)" Postgres may scan the whole table.
create function public.undo_some(p_import uuid, p_limit integer) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_from uuid;
  v_to uuid;
  v_last uuid;
begin
  perform from public.imports where id = p_import and state = 'undoing' for no key update;
  if not found then
    return false;
  end if;
  select * into v_part from public.import_parts
  where import_id = p_import and state <> 'undone' order by part limit 1 for no key update;
  if not found then
    return false;
  end if;
  v_from := public.contact_id(p_import, v_part.first_record);
  v_to := public.contact_id(p_import, v_part.first_record + v_part.records - 1);
  select id into v_last from public.contacts
  where id between v_from and v_to order by id offset p_limit - 1 limit 1;
  delete from public.contacts where id between v_from and coalesce(v_last, v_to);
  if v_last is null then
    perform public.clear_rejections(v_part);
    update public.import_parts
    set state = 'undone', imported = 0, rejected = 0, rejected_codes = null, failure_code = null,
        failure = null
    where import_id = p_import and part = v_part.part;
  end if;
  return true;
end
$$;

-- Returns the name of an import's object while the import is being undone, else null.
create function public.object_to_undo(p_import uuid) returns text
language sql stable set search_path = ''
as $$
  select object from public.imports where id = p_import and state = 'undoing'
$$;

-- Completes an undo; call it after the object is removed, too. Changes nothing while parts are
-- left.
create function public.finish_undo(p_import uuid) returns void
language sql set search_path = ''
as $$
  update public.imports set state = 'undone'
  where id = p_import and state = 'undoing' and not exists (
    select from public.import_parts where import_id = p_import and state <> 'undone')
$$;

-- Ends an undo that the database or Storage refuses. Records the reason and the number of contacts
-- left: those of the part at which it stopped, and all of the parts after it. Changes nothing
-- unless the import is being undone. undo_import can start it again.
create function public.fail_undo(p_import uuid, p_code text, p_detail text) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_dry boolean;
  v_left bigint := 0;
begin
  select dry_run into v_dry from public.imports
  where id = p_import and state = 'undoing' for no key update;
  if not found then
    return;
  end if;
  select * into v_part from public.import_parts
  where import_id = p_import and state <> 'undone' order by part limit 1;
  if v_part.part is not null and not v_dry then
    v_left := public.contacts_in(v_part) + (
      select coalesce(sum(imported), 0) from public.import_parts
      where import_id = p_import and state <> 'undone' and part > v_part.part);
  end if;
  update public.imports
  set state = 'undo_failed', undo_failure = jsonb_build_object(
    'code', p_code, 'detail', p_detail, 'contacts_left', v_left, 'at', clock_timestamp())
  where id = p_import;
end
$$;

-- supabase/schemas/80_sweeping.sql

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

-- supabase/schemas/85_reading.sql

-- Returns the import as GET /import/{jobId} shows it; null if it is unknown.
create function public.get_import(p_import uuid) returns jsonb
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

-- Returns a page of imports, newest first: those before p_before, if given. A filter that is null
-- matches all.
create function public.list_imports(p_state text, p_source text, p_before uuid, p_limit integer)
returns jsonb
language sql stable set search_path = ''
as $$
  select coalesce(jsonb_agg(public.get_import(id) order by id desc), '[]')
  from (
    select id from public.imports
    where (p_state is null or state = p_state)
      and (p_source is null or source = p_source)
      and (p_before is null or id < p_before)
    order by id desc
    limit p_limit
  ) page
$$;

-- Returns the next p_limit rejections of an import after a record, in input order; the layout of
-- its records; and the next object with rejections after that record. Those in the object come
-- after the rows before its first record. Null if the import is unknown. It is one JSON value,
-- because the API's "max rows" would truncate a set.
create function public.show_rejections(p_import uuid, p_after bigint, p_limit integer)
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

-- Returns the URL to notify of the import's end, and the import as get_import does; null if there
-- is no such URL or import.
create function public.show_end(p_import uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('url', notify ->> 'url', 'import', public.get_import(id))
  from public.imports
  where id = p_import and notify is not null
$$;

-- supabase/schemas/90_privileges.sql

-- Who may use what: only the service role, and only what is listed here. Supabase serves `public`
-- to everybody who has the anon key, so each table has row level security and no policy, and
-- neither anon nor authenticated has any privilege. The default privileges of a project may grant
-- them everything or nothing: so all is revoked, and what is needed is granted. Add each new table
-- and function to its list.
do $$
declare
  v_table regclass;
  v_function regprocedure;
begin
  foreach v_table in array array[
    'public.contacts',
    'public.imports', 'public.import_parts', 'public.discarded_imports',
    'public.import_rejections', 'public.import_rejection_objects',
    'public.sweeps'
  ]::regclass[] loop
    execute format('alter table %s enable row level security', v_table);
    execute format('revoke all on %s from anon, authenticated', v_table);
    execute format('grant select, insert, update, delete on %s to service_role', v_table);
  end loop;

  foreach v_function in array array[
    -- 20_queue
    'public.enqueue_message', 'public.queue_messages', 'public.queue_ready',
    -- 40_accepting
    'public.lock_import', 'public.create_import', 'public.join_import', 'public.discard_import',
    -- 50_parts
    'public.start_import', 'public.lock_part', 'public.start_part', 'public.postpone_part',
    'public.finish_part', 'public.fail_part', 'public.cancel_part', 'public.stop_parts',
    'public.part_ended', 'public.close_import',
    -- 60_writing_contacts
    'public.contact_id', 'public.contacts_of', 'public.hold_part', 'public.write_contacts',
    'public.insert_apart', 'public.write_apart', 'public.contacts_among', 'public.contacts_in',
    -- 65_rejections
    'public.write_rejections', 'public.add_rejection_object', 'public.clear_rejections',
    'public.settle_rejections', 'public.sum_of_codes',
    -- 70_cancel_retry_undo
    'public.cancel_import', 'public.retry_import', 'public.undo_import', 'public.begin_undo',
    'public.undo_some', 'public.object_to_undo', 'public.finish_undo', 'public.fail_undo',
    -- 80_sweeping
    'public.begin_sweep', 'public.end_sweep', 'public.lost_imports', 'public.queue_undos',
    'public.known_imports',
    -- 85_reading
    'public.get_import', 'public.list_imports', 'public.show_rejections', 'public.show_end'
  ]::regproc[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- PostgREST caches the schema.
notify pgrst, 'reload schema';
