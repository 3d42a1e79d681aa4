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

-- Returns the sum of the numbers by code; 0 for null.
create function public.sum_of_codes(p_codes jsonb) returns bigint
language sql immutable parallel safe set search_path = ''
as $$
  select coalesce(sum(value::bigint), 0)::bigint from jsonb_each_text(p_codes)
$$;
