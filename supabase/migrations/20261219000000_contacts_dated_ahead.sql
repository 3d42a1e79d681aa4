-- The ids of a large import's contacts are dated later than the import, by about what it takes. So
-- they come after those of small imports accepted meanwhile: at the end of the index, where Postgres
-- fills its pages instead of splitting each in halves.
--
-- The unique index is made anew, which takes two seconds for a million imports. Requests and workers
-- wait until then.

alter table public.imports
  add column contacts_ahead integer not null default 0
    constraint imports_contacts_ahead check (contacts_ahead >= 0);

comment on column public.imports.contacts_ahead is
  'seconds by which the ids of its contacts are dated later than its own: about what it takes, so '
  'that in the index they come after those of smaller imports, which end before it';

-- Returns the first 27 characters of the ids of an import's contacts: those of the import's id,
-- dated p_ahead seconds later and marked as a UUIDv8. Python computes the same. This function and
-- the next one have no `set search_path`, because Postgres would then not inline them.
create function public.contact_prefix(p_import uuid, p_ahead integer) returns text
language sql immutable parallel safe
as $$
  select overlay(
    case
      when p_ahead = 0 then left(p_import::text, 27)
      else overlay(left(p_import::text, 27) placing overlay(
        lpad(to_hex(
          ('x' || left(p_import::text, 8) || substr(p_import::text, 10, 4))::bit(48)::bigint
          + p_ahead::bigint * 1000), 12, '0')
        placing '-' from 9 for 0) from 1)
    end
    placing '8' from 15)
$$;

drop index public.imports_contact_prefix_key;
create unique index imports_contact_prefix_key
on public.imports (public.contact_prefix(id, contacts_ahead));

-- Returns the first 27 characters of the ids of an import's contacts; null if it is unknown.
create function public.prefix_of_import(p_import uuid) returns text
language sql stable set search_path = ''
as $$
  select public.contact_prefix(id, contacts_ahead) from public.imports where id = p_import
$$;

-- Returns the id of a contact: the prefix that its import's contacts have, and the number of its
-- record as nine hexadecimal digits.
create function public.contact_id(p_prefix text, p_record bigint) returns uuid
language sql immutable parallel safe
as $$
  select (p_prefix || lpad(to_hex(p_record), 9, '0'))::uuid
$$;

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

drop function public.start_part(uuid, integer, uuid, integer, boolean, uuid[], uuid);

-- Assigns a part to an attempt, which owns it from now on: the part of lock_part_of_message, or
-- exactly p_part if p_message is null, as workers of version 0.1 call it. Returns the part and what
-- is needed to process it; null if no part is left for the message. The same attempt may call it
-- again. p_ended lists attempts whose orderly end could not be recorded when it happened, because
-- the database was unavailable.
--
-- If the import is being cancelled, the part is cancelled: returns {"cancelled": ...}. If
-- p_max_attempts attempts have no known end, the part fails: returns {"given_up": ...}. Both hold
-- what part_ended returns.
--
-- The commit does not wait for the disk. If a crash of Postgres loses it, everything is lost that the
-- attempt has committed since, and what it calls next raises CI003: the part is started again.
--
-- A part with two attempts of no known end may have killed its worker, and everything else that ran
-- in it. Then only a worker that runs nothing else may start the part (p_alone); others get
-- {"suspect": true}. So a bad part neither stops other parts nor uses up their attempts.
--
-- A worker takes the prefix of contact ids from the result (p_takes_prefix). Earlier workers
-- compute it from the import's id. They cannot import what is dated ahead: 55P03 lets them wait.
create function public.start_part(
  p_import uuid, p_part integer, p_attempt uuid, p_max_attempts integer,
  p_alone boolean default true, p_ended uuid[] default '{}', p_message uuid default null,
  p_takes_prefix boolean default false
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
  v_part public.import_parts;
  v_open uuid[];
  v_where jsonb;
begin
  if p_message is null then
    perform from public.imports where id = p_import for no key update;
    select * into v_part from public.import_parts
    where import_id = p_import and part = p_part for no key update;
  else
    v_part := public.lock_part_of_message(p_message, p_import, p_part);
  end if;
  if v_part.state is null or v_part.state not in ('queued', 'importing') then
    return null;
  end if;
  select * into v_import from public.imports where id = v_part.import_id;
  v_where := jsonb_build_object(
    'import', v_part.import_id, 'part', v_part.part, 'traceparent', v_import.traceparent);
  if v_import.state = 'cancelling' then
    return v_where || jsonb_build_object('cancelled', public.part_ended(
      v_import.id, v_part.part, 'cancelled', public.stop_parts(
        v_import.id, '{queued,importing}', v_part.part, 'cancelled', null, null)));
  end if;
  v_open := array(
    select attempt from unnest(v_part.open_attempts) as open (attempt)
    where attempt <> p_attempt and attempt <> all (p_ended));
  if not p_alone and cardinality(v_open) >= greatest(1, least(2, p_max_attempts - 1)) then
    update public.import_parts
    set open_attempts = v_open, message_id = coalesce(p_message, message_id)
    where import_id = v_import.id and part = v_part.part;
    return v_where || jsonb_build_object('suspect', true);
  end if;
  update public.imports
  set state = 'importing', started_at = coalesce(started_at, clock_timestamp()),
      served_at = clock_timestamp()
  where id = v_import.id;
  insert into public.import_sources as o (source, served_at)
  values (v_import.source, clock_timestamp())
  on conflict (source) do update set served_at = excluded.served_at;
  if cardinality(v_open) >= p_max_attempts then
    return v_where || jsonb_build_object('given_up', public.part_ended(
      v_import.id, v_part.part, 'failed', public.stop_parts(
        v_import.id, '{queued,importing}', v_part.part, 'failed', 'attempts_exhausted',
        format('The part was started %s times and never finished: its workers died or hung.',
               p_max_attempts))));
  end if;
  if v_part.started_at is not null and v_part.attempt is distinct from p_attempt then
    perform public.clear_rejections(v_part);
  end if;
  if v_import.contacts_ahead > 0 and not p_takes_prefix then
    raise sqlstate '55P03' using message = format(
      'import %s needs workers of a later version', v_import.id);
  end if;
  perform set_config('synchronous_commit', 'off', true);
  update public.import_parts
  set state = 'importing', attempt = p_attempt, open_attempts = v_open || p_attempt,
      message_id = coalesce(p_message, message_id),
      started_at = coalesce(started_at, clock_timestamp())
  where import_id = v_import.id and part = v_part.part;
  return v_where || jsonb_build_object(
    'source', v_import.source, 'format', v_import.format, 'plan', v_import.plan,
    'object', v_import.object, 'object_bytes', v_import.bytes, 'dry_run', v_import.dry_run,
    'byte_start', v_part.byte_start, 'byte_end', v_part.byte_end,
    'first_record', v_part.first_record, 'records', v_part.records,
    'rerun', v_part.started_at is not null,
    'contact_prefix', public.contact_prefix(v_import.id, v_import.contacts_ahead));
end
$$;

-- Returns which of these records are contacts, in order. A later attempt does not reject what an
-- earlier one has written.
create or replace function public.contacts_among(p_import uuid, p_records bigint[]) returns bigint[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(r.record order by r.record), '{}')
  from public.prefix_of_import(p_import) as prefix
  cross join unnest(p_records) as r (record)
  join public.contacts c on c.id = public.contact_id(prefix, r.record)
$$;

-- Returns the number of a part's contacts. It is exact only if nobody writes contacts: call it with
-- the part locked, in a statement after the one that locks it.
create or replace function public.contacts_in(p_part public.import_parts) returns bigint
language sql stable set search_path = ''
as $$
  select count(*) from public.contacts
  where id between
    public.contact_id(public.prefix_of_import(p_part.import_id), p_part.first_record)
    and public.contact_id(
      public.prefix_of_import(p_part.import_id), p_part.first_record + p_part.records - 1)
$$;

-- Removes rejections of records that are contacts, whichever attempt wrote them. Returns the number
-- of remaining rejections by code (null if there are none) and the number of removed ones. Call it
-- with the part locked, so that nobody writes any.
create or replace function public.settle_rejections(
  p_part public.import_parts, out codes jsonb, out removed bigint
)
language plpgsql set search_path = ''
as $$
declare
  v_prefix text := public.prefix_of_import(p_part.import_id);
begin
  delete from public.import_rejections r
  using public.contacts c
  where r.import_id = p_part.import_id
    and r.record between p_part.first_record and p_part.first_record + p_part.records - 1
    and c.id = public.contact_id(v_prefix, r.record);
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

-- Removes up to p_limit contacts of an import that is being undone, and with the last ones of a
-- part its rejections. Returns false when nothing is left. It selects the range of ids first and
-- deletes it then: for "id in (select ... limit)" Postgres may scan the whole table.
create or replace function public.undo_some(p_import uuid, p_limit integer) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_prefix text := public.prefix_of_import(p_import);
  v_part public.import_parts;
  v_undone public.import_parts;
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
  v_from := public.contact_id(v_prefix, v_part.first_record);
  v_to := public.contact_id(v_prefix, v_part.first_record + v_part.records - 1);
  select id into v_last from public.contacts
  where id between v_from and v_to order by id offset p_limit - 1 limit 1;
  delete from public.contacts where id between v_from and coalesce(v_last, v_to);
  if v_last is null then
    perform public.clear_rejections(v_part);
    update public.import_parts
    set state = 'undone', imported = 0, rejected = 0, skipped = 0, rejected_codes = null,
        skipped_codes = null, warnings = null, failure_code = null,
        failure = null
    where import_id = p_import and part = v_part.part
    returning * into v_undone;
    perform public.count_part(v_part, v_undone);
  end if;
  return true;
end
$$;

-- Removes the contacts with the address of an erasure: up to p_limit of them if there is an index
-- on lower(email), else those among the next p_limit contacts. Notes the imports that they came
-- from. Returns whether there may be more; false too if the erasure has ended.
create or replace function public.erase_contacts(p_erasure uuid, p_limit integer) returns boolean
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
      on public.contact_prefix(i.id, i.contacts_ahead) = left(c.id::text, 27)
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

drop function public.contact_id(uuid, bigint);

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.contact_prefix', 'public.contact_id', 'public.prefix_of_import', 'public.start_part'
  ]::regproc[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
