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
