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
  plan jsonb,
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
  small boolean not null default false,
  served_at timestamptz,

  -- The sums over its parts.
  parts_total integer not null default 0,
  parts_done integer not null default 0,
  parts_failed integer not null default 0,
  parts_cancelled integer not null default 0,
  imported bigint not null default 0,
  rejected bigint not null default 0,
  skipped bigint not null default 0,
  rejected_codes jsonb not null default '{}',
  skipped_codes jsonb not null default '{}',
  warnings jsonb not null default '{}',

  -- The names of API keys.
  created_by text,
  cancelled_by text,
  undone_by text,

  traceparent text,

  -- The retention.
  keep interval,
  object_expired_at timestamptz,
  object_removed_at timestamptz,
  rejections_expired_at timestamptz,
  rejections_removed_at timestamptz,

  contacts_ahead integer not null default 0
    constraint imports_contacts_ahead check (contacts_ahead >= 0),

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
comment on column public.imports.plan is 'how the records are read: dialect, columns or keys';
comment on column public.imports.ignored is
  'names of columns that are not imported, and of such fields that its parts have found';
comment on column public.imports.message_id is 'message of the first run, or of the last retry';
comment on column public.imports.generation is
  'number of retries; part messages are computed from it, so each retry has new ones';
comment on column public.imports.undo is 'message for the undo; null until it is requested';
comment on column public.imports.undo_failure is
  'reason why the undo failed, and number of contacts left; null unless undo_failed';
comment on column public.imports.small is
  'its only part is so small that it is processed beside the parts of large imports';
comment on column public.imports.served_at is 'when one of its parts was started last';
comment on column public.imports.parts_total is
  'as the other totals, kept by count_part and recount_import: reading them takes no longer for '
  'thousands of parts than for one';
comment on column public.imports.created_by is
  'name of the API key of the request, also in the next two columns; null if it needed none';
comment on column public.imports.traceparent is
  'the request that made it, or retried it last, in its trace (W3C Trace Context); null if that '
  'was not traced';
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
comment on column public.imports.contacts_ahead is
  'seconds by which the ids of its contacts are dated later than its own: about what it takes, so '
  'that in the index they come after those of smaller imports, which end before it';

-- The ids of an import's contacts begin with it, so no two imports can share a contact id.
create unique index imports_contact_prefix_key
on public.imports (public.contact_prefix(id, contacts_ahead));

-- Returns the first 27 characters of the ids of an import's contacts; null if it is unknown.
create function public.prefix_of_import(p_import uuid) returns text
language sql stable set search_path = ''
as $$
  select public.contact_prefix(id, contacts_ahead) from public.imports where id = p_import
$$;

-- For sweeps: the unfinished imports only.
create index imports_open_idx on public.imports (id)
where state in ('queued', 'importing', 'cancelling', 'undoing');

-- For list_imports.
create index imports_state_idx on public.imports (state, id);
create index imports_source_idx on public.imports (source, id);
create index imports_source_state_idx on public.imports (source, state, id);

-- For next_part: the sources that have parts to do, and the oldest imports of each.
create index imports_to_do_idx on public.imports (small, source, id)
where state in ('queued', 'importing');

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
  rejected_codes jsonb,
  ignored jsonb,
  failure_code text,
  failure text,
  skipped bigint not null default 0,
  skipped_codes jsonb,
  warnings jsonb,
  not_processed bigint not null
    generated always as (records - imported - rejected - skipped) stored,
  message_id uuid,

  primary key (import_id, part),
  constraint every_record_is_accounted_for check (
    imported >= 0 and rejected >= 0 and skipped >= 0 and not_processed >= 0
    and (state <> 'done' or not_processed = 0)
    and (state not in ('queued', 'importing', 'undone') or imported + rejected + skipped = 0)),
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
comment on column public.import_parts.skipped_codes is
  'number of rows that are no records of contacts, by code; null if there are none';
comment on column public.import_parts.warnings is
  'for each code of a warning, how many records have it, and the numbers of the first ones';
comment on column public.import_parts.ignored is 'names of fields that were found and not imported';
comment on column public.import_parts.message_id is
  'message that processes the part; null while no message has taken it';

-- For next_part and refill_queue: the parts that no message has taken.
create index import_parts_waiting_idx on public.import_parts (import_id, part)
where state = 'queued' and message_id is null;

-- For close_import and get_import.
create index import_parts_open_idx on public.import_parts (import_id)
where state in ('queued', 'importing');
create index import_parts_failed_idx on public.import_parts (import_id, part)
where state = 'failed';

-- For next_part: the parts that are being processed, and the one that a message has taken.
create index import_parts_running_idx on public.import_parts (import_id)
where state = 'importing';
create index import_parts_message_idx on public.import_parts (message_id)
where state in ('queued', 'importing');

-- When a part of a source was started last. A row is not needed any more once the source has had
-- nothing to do for a while.
create table public.import_sources (
  source text primary key,
  served_at timestamptz not null
);

comment on table public.import_sources is 'for fair shares: who was served last';

create index import_sources_served_idx on public.import_sources (served_at);

-- Imports that were discarded. A request to record one may still be in flight and arrive last; it
-- would create an import without an object, after the client was told to send it again.
create table public.discarded_imports (
  id uuid primary key,
  discarded_at timestamptz not null default clock_timestamp()
);

comment on table public.discarded_imports is 'kept for a day: no request is in flight longer';
