-- Returns how often each code occurs: p_total without those of p_minus and with those of p_plus.
create function public.change_codes(p_total jsonb, p_minus jsonb, p_plus jsonb) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if p_minus is null and p_plus is null then
    return p_total;
  end if;
  return (
    select coalesce(jsonb_object_agg(code, number), '{}')
    from (
      select code, sum(number) as number
      from (
        select key as code, value::bigint as number from jsonb_each_text(p_total)
        union all
        select key, value::bigint from jsonb_each_text(p_plus)
        union all
        select key, -value::bigint from jsonb_each_text(p_minus)
      ) changes
      group by code having sum(number) > 0
    ) totals
  );
end
$$;

-- Returns the warnings of an import after one of its parts has changed: for each code how many
-- records have it, and the numbers of the first five.
create function public.change_warnings(
  p_total jsonb, p_before public.import_parts, p_after public.import_parts
) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if p_before.warnings is null and p_after.warnings is null then
    return p_total;
  end if;
  return (
    with changes (code, number, records) as (
      select key, (value ->> 'count')::bigint, (
        select jsonb_agg(record)
        from jsonb_array_elements(value -> 'records') as record
        where record::bigint not between p_before.first_record
          and p_before.first_record + p_before.records - 1)
      from jsonb_each(p_total)
      union all
      select key, (value ->> 'count')::bigint, value -> 'records' from jsonb_each(p_after.warnings)
      union all
      select key, -(value ->> 'count')::bigint, null from jsonb_each(p_before.warnings)
    )
    select coalesce(jsonb_object_agg(code, jsonb_build_object(
      'count', number, 'records', (
        select coalesce(jsonb_agg(record), '[]')
        from (
          select record::bigint
          from changes c, jsonb_array_elements(c.records) as record
          where c.code = totals.code order by record::bigint limit 5
        ) first
      ))), '{}')
    from (
      select code, sum(number) as number from changes group by code having sum(number) > 0
    ) totals
  );
end
$$;

-- Adds to the totals of an import what one of its parts has changed. The caller must have locked
-- the import.
create function public.count_part(p_before public.import_parts, p_after public.import_parts)
returns void
language plpgsql set search_path = ''
as $$
begin
  update public.imports i
  set parts_done = i.parts_done + (p_after.state = 'done')::integer
        - (p_before.state = 'done')::integer,
      parts_failed = i.parts_failed + (p_after.state = 'failed')::integer
        - (p_before.state = 'failed')::integer,
      parts_cancelled = i.parts_cancelled + (p_after.state = 'cancelled')::integer
        - (p_before.state = 'cancelled')::integer,
      imported = i.imported + p_after.imported - p_before.imported,
      rejected = i.rejected + p_after.rejected - p_before.rejected,
      skipped = i.skipped + p_after.skipped - p_before.skipped,
      rejected_codes = public.change_codes(
        i.rejected_codes, p_before.rejected_codes, p_after.rejected_codes),
      skipped_codes = public.change_codes(
        i.skipped_codes, p_before.skipped_codes, p_after.skipped_codes),
      warnings = public.change_warnings(i.warnings, p_before, p_after)
  where i.id = p_after.import_id;
  update public.imports i
  set ignored = (
    select jsonb_agg(name order by name)
    from (
      select jsonb_array_elements_text(i.ignored) as name
      union
      select jsonb_array_elements_text(p_after.ignored)
      order by name limit 101
    ) names
  )
  where i.id = p_after.import_id and p_after.ignored is not null
    and not coalesce(i.ignored, '[]') @> p_after.ignored;
end
$$;

-- Sets the totals of an import anew from its parts, after many of them have changed. The caller
-- must have locked the import.
create function public.recount_import(p_import uuid) returns void
language sql set search_path = ''
as $$
  update public.imports i
  set parts_total = p.total, parts_done = p.done, parts_failed = p.failed,
      parts_cancelled = p.cancelled,
      imported = p.imported, rejected = p.rejected, skipped = p.skipped,
      rejected_codes = (
        select coalesce(jsonb_object_agg(total.code, total.number), '{}')
        from (
          select n.key as code, sum(n.value::bigint) as number
          from public.import_parts c, jsonb_each_text(c.rejected_codes) n
          where c.import_id = p_import
          group by n.key
        ) total
      ),
      skipped_codes = (
        select coalesce(jsonb_object_agg(total.code, total.number), '{}')
        from (
          select n.key as code, sum(n.value::bigint) as number
          from public.import_parts c, jsonb_each_text(c.skipped_codes) n
          where c.import_id = p_import
          group by n.key
        ) total
      ),
      warnings = (
        select coalesce(jsonb_object_agg(total.code, jsonb_build_object(
          'count', total.number, 'records', total.records)), '{}')
        from (
          select w.key as code, sum((w.value ->> 'count')::bigint) as number,
                 jsonb_path_query_array(
                   jsonb_path_query_array(
                     to_jsonb((array_agg(w.value -> 'records' order by c.part))[1:5]), '$[*][*]'
                   ), '$[0 to 4]'
                 ) as records
          from public.import_parts c, jsonb_each(c.warnings) w
          where c.import_id = p_import
          group by w.key
        ) total
      )
  from (
    select count(*) as total,
           count(*) filter (where state = 'done') as done,
           count(*) filter (where state = 'failed') as failed,
           count(*) filter (where state = 'cancelled') as cancelled,
           coalesce(sum(imported), 0) as imported, coalesce(sum(rejected), 0) as rejected,
           coalesce(sum(skipped), 0) as skipped
    from public.import_parts where import_id = p_import
  ) p
  where i.id = p_import
$$;
