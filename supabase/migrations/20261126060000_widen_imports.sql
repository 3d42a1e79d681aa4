-- What people see of an import, and the ways to repair it, to stop it and to undo it.

do $$
declare
  v_check record;
begin
  for v_check in
    select conrelid::regclass as table_name, conname from pg_constraint
    where contype = 'c' and (
      conrelid = 'public.imports'::regclass
      and pg_get_constraintdef(oid) ~ '\m(state|format)\M'
      or conrelid = 'public.import_parts'::regclass
      and pg_get_constraintdef(oid) ~ '\mstate\M'
    )
  loop
    execute format('alter table %s drop constraint %I', v_check.table_name, v_check.conname);
  end loop;
end
$$;

alter table public.imports
  add column dry_run boolean not null default false,
  add column sha256 text,
  add column received bigint,
  add column detected jsonb,
  add column ignored jsonb,
  add column idempotency_key text unique,
  add column fingerprint text,
  add column joined boolean not null default false,
  add column notify jsonb,
  add column undo jsonb,
  add constraint imports_format check (format in ('json', 'csv', 'ndjson')),
  add constraint imports_state check (state in (
    'queued', 'importing', 'completed', 'failed', 'cancelling', 'cancelled', 'undoing', 'undone')),
  add constraint imports_finished check (
    (finished_at is not null) = (state not in ('queued', 'importing', 'cancelling')));

comment on column public.imports.dry_run is 'everything is done but the insert';
comment on column public.imports.sha256 is 'of what the client sent: body or file, as it came';
comment on column public.imports.received is 'bytes that the client sent';
comment on column public.imports.detected is 'what was found out about the file';
comment on column public.imports.ignored is 'names of columns that are known from the start to be ignored';
comment on column public.imports.fingerprint is 'equal for requests that ask for the same';
comment on column public.imports.joined is 'another request with the same idempotency_key was answered with this import';
comment on column public.imports.notify is 'url to tell of the end, and the message that has it told';
comment on column public.imports.undo is 'message that has it undone; set when that was asked for';

alter table public.import_parts
  add column ignored jsonb,
  add column not_processed bigint not null
    generated always as (records - imported - rejected) stored,
  add constraint import_parts_state check (state in (
    'queued', 'importing', 'done', 'failed', 'cancelled', 'undone')),
  add constraint every_record_is_accounted_for check (
    imported >= 0 and rejected >= 0 and not_processed >= 0
    and (state <> 'done' or not_processed = 0)
    and (state not in ('queued', 'importing', 'undone') or imported + rejected = 0)),
  add constraint import_parts_failure check ((failure_code is not null) = (state = 'failed'));

comment on column public.import_parts.ignored is 'names of fields that were seen and ignored';

drop index public.imports_open_idx;
create index imports_open_idx on public.imports (id)
where state in ('queued', 'importing', 'cancelling', 'undoing');
create index imports_state_idx on public.imports (state, id);
create index imports_source_idx on public.imports (source, id);
