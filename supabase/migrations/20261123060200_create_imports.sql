-- The ledger: what was accepted, what has become of each part, and what was no valid contact.
create table public.imports (
  id uuid primary key,
  source text not null,
  format text not null check (format in ('json', 'csv')),
  layout jsonb,
  object text not null,
  bytes bigint not null check (bytes >= 0),
  records bigint not null check (records >= 0),
  state text not null default 'queued'
    check (state in ('queued', 'importing', 'completed', 'failed')),
  message_id uuid not null,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  check ((finished_at is not null) = (state in ('completed', 'failed')))
);

comment on column public.imports.layout is 'CSV: where name and email stand, and how many fields a row has';

-- Ids of contacts begin with these digits of their import's id: unique here means unique there.
create unique index imports_contact_prefix_key on public.imports (left(id::text, 27));

create table public.import_parts (
  import_id uuid not null references public.imports on delete cascade,
  part integer not null check (part >= 1),
  byte_start bigint not null,
  byte_end bigint not null check (byte_end > byte_start),
  first_record bigint not null check (first_record >= 1),
  records bigint not null check (records >= 1),
  state text not null default 'queued' check (state in ('queued', 'importing', 'done', 'failed')),
  attempts integer not null default 0,
  retries integer not null default 0,
  imported bigint not null default 0,
  rejected bigint not null default 0,
  failure_code text,
  failure text,
  started_at timestamptz,
  finished_at timestamptz,
  primary key (import_id, part),
  constraint every_record_is_accounted_for
    check (imported + rejected = case when state = 'done' then records else 0 end),
  check ((failure_code is not null) = (state = 'failed'))
);

comment on column public.import_parts.attempts is 'starts without an orderly end: a part that kills its worker is given up after some';
comment on column public.import_parts.retries is 'times it was put off because something it needs was away';

create table public.import_rejections (
  import_id uuid not null references public.imports on delete cascade,
  record bigint not null check (record >= 1),
  part integer not null,
  code text not null,
  message text not null,
  content text not null,
  primary key (import_id, record)
);

alter table public.imports enable row level security;
alter table public.import_parts enable row level security;
alter table public.import_rejections enable row level security;
revoke all on public.imports, public.import_parts, public.import_rejections
  from anon, authenticated;
grant select, insert, update, delete
  on public.imports, public.import_parts, public.import_rejections to service_role;
