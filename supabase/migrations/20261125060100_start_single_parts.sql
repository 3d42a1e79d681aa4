-- An import of one part needs nobody to hand it out: its own message is the one of the part.

alter table public.import_parts add column attempt uuid;

comment on column public.import_parts.attempt is 'the last one: asked for again, since its answer was lost, it does not count again';

drop function public.start_part(uuid, integer, integer, boolean);

-- As before, and begins the import with its first part; p_attempt is new for each attempt, and the
-- same when one is asked for again.
create function public.start_part(
  p_import uuid, p_part integer, p_max_attempts integer, p_alone boolean default true,
  p_attempt uuid default gen_random_uuid()
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_attempts integer;
begin
  if not p_alone and exists (
    select from public.import_parts
    where import_id = p_import and part = p_part and state in ('queued', 'importing')
      and attempts > 0 and attempt is distinct from p_attempt
  ) then
    return jsonb_build_object('suspect', true);
  end if;
  update public.imports
  set state = 'importing', started_at = clock_timestamp()
  where id = p_import and state = 'queued';
  update public.import_parts
  set state = 'importing',
      attempts = attempts + case when attempt is distinct from p_attempt then 1 else 0 end,
      attempt = p_attempt,
      started_at = coalesce(started_at, clock_timestamp())
  where import_id = p_import and part = p_part and state in ('queued', 'importing')
  returning attempts into v_attempts;
  if v_attempts is null then
    return null;
  end if;
  if v_attempts > p_max_attempts then
    return jsonb_build_object('given_up', public.fail_part(
      p_import, p_part, 'attempts_exhausted',
      format('The part was begun %s times and never came to an end: its workers died or hung.',
             p_max_attempts)));
  end if;
  return (
    select jsonb_build_object(
      'source', i.source, 'format', i.format, 'layout', i.layout, 'object', i.object,
      'byte_start', p.byte_start, 'byte_end', p.byte_end,
      'first_record', p.first_record, 'records', p.records)
    from public.imports i join public.import_parts p on p.import_id = i.id
    where p.import_id = p_import and p.part = p_part
  );
end
$$;

revoke all on function public.start_part(uuid, integer, integer, boolean, uuid)
  from public, anon, authenticated;
grant execute on function public.start_part(uuid, integer, integer, boolean, uuid) to service_role;

-- As before, but it no longer matters which message an import was recorded with: any that waits and
-- names the import alone hands out all that is left to do.
create or replace function public.lost_imports(p_after uuid, p_limit integer) returns setof uuid
language sql stable security definer set search_path = ''
as $$
  with live as materialized (
    select message #>> '{args,0}' as import, message #>> '{args,1}' as part
    from dramatiq.queue where state in ('queued', 'consumed')
  ),
  alone as (
    select i.id from public.imports i
    where i.state in ('queued', 'importing')
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

notify pgrst, 'reload schema';
