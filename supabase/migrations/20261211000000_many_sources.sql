-- Many sources: where all parts of fifty sources are in progress, the next ones are looked at too. A
-- waiting part of another source was not found, and its message ended without it.

-- Returns the waiting part that is to be processed next, of the small imports or of the others: of
-- the source with the fewest parts in progress, and of its import with the fewest; among equals, of
-- the one that was served longest ago. Null if no part is waiting. Its cost does not grow with the
-- number of imports: it looks at 50 sources, beginning after the one that was served last, and at
-- the oldest imports of each; at further sources only if all parts of these 50 are in progress.
-- Small imports are many and have one part each: any of the oldest will do, so that workers do not
-- wait for each other.
create or replace function public.next_part(p_small boolean) returns public.import_parts
language plpgsql stable set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_first text := public.next_source(p_small, coalesce(
    (select source from public.import_sources order by served_at desc limit 1), ''));
  v_from text := v_first;
  v_sources text[];
begin
  while v_from is not null loop
    with recursive sources (source, number) as (
      select v_from, 1
      union all
      select next.source, next.number
      from (
        select public.next_source(p_small, source) as source, number + 1 as number
        from sources where number < 50
      ) next
      where next.source <> v_first
    )
    select array_agg(source order by number) into v_sources from sources;
    with running as materialized (
      select i.source, r.import_id, count(*) as parts
      from public.import_parts r
      join public.imports i on i.id = r.import_id
      where r.state = 'importing' and i.small = p_small
      group by i.source, r.import_id
    )
    select p.* into v_part
    from unnest(v_sources) as s (source)
    cross join lateral (
      select i.id, w.part, i.served_at
      from public.imports i
      cross join lateral (
        select part from public.import_parts
        where import_id = i.id and state = 'queued' and message_id is null
        order by part limit 1
      ) w
      where i.small = p_small and i.source = s.source and i.state in ('queued', 'importing')
      order by i.id limit case when p_small then 4 else 16 end
    ) waiting
    join public.import_parts p on p.import_id = waiting.id and p.part = waiting.part
    left join public.import_sources o on o.source = s.source
    order by
      (select coalesce(sum(r.parts), 0) from running r where r.source = s.source),
      o.served_at nulls first,
      (select coalesce(sum(r.parts), 0) from running r where r.import_id = waiting.id),
      waiting.served_at nulls first,
      case when p_small then random() end,
      waiting.id
    limit 1;
    exit when found or cardinality(v_sources) < 50;
    v_from := nullif(public.next_source(p_small, v_sources[50]), v_first);
  end loop;
  return v_part;
end
$$;
