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

comment on column public.imports.layout is 'CSV: where name and email stand, and how many fields a row has';
comment on column public.imports.dry_run is 'everything is done but the insert';
comment on column public.imports.sha256 is 'of what the client sent: body or file, as it came';
comment on column public.imports.received is 'bytes that the client sent';
comment on column public.imports.detected is 'what was found out about the file';
comment on column public.imports.ignored is 'names of columns that are known from the start to be ignored';
comment on column public.imports.fingerprint is 'equal for requests that ask for the same';
comment on column public.imports.joined is 'another request with the same idempotency_key was answered with this import';
comment on column public.imports.notify is 'url to tell of the end, and the message that has it told';
comment on column public.imports.undo is 'message that has it undone; set when that was asked for';
comment on column public.imports.generation is 'number of retries: messages of parts differ from one to the next';
comment on column public.imports.undo_failure is 'why its last undo ended early, and what was left; null unless undo_failed';

-- The ids of an import's contacts begin with these digits of the import's id, so no two imports can
-- share a contact id.
create unique index imports_contact_prefix_key on public.imports (left(id::text, 27));

create index imports_open_idx on public.imports (id)
where state in ('queued', 'importing', 'cancelling', 'undoing');
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

comment on column public.import_parts.retries is 'times it was put off because something it needs was away';
comment on column public.import_parts.attempt is 'the last one begun: only this one may move the part';
comment on column public.import_parts.ignored is 'names of fields that were seen and ignored';
comment on column public.import_parts.open_attempts is 'those begun of which no orderly end is known: a part that has too many is given up';
comment on column public.import_parts.stops is 'times it was handed back because its worker was stopped';
comment on column public.import_parts.rejected_codes is 'number of rejections by code; null where there are none';

-- Imports whose record was taken back. A request to record one may still be in flight and arrive
-- last; it would create an import without an object, of which the client was told to send it again.
create table public.discarded_imports (
  id uuid primary key,
  discarded_at timestamptz not null default clock_timestamp()
);

comment on table public.discarded_imports is 'for a day: no request is on its way for longer';
