-- Beginning a part tells "given up just now" apart from "nothing to do", so that it can be counted.
--
-- A part that was begun before and came to no end may have killed its worker, and whatever else ran
-- there. It is begun only by a worker that runs nothing beside it (p_alone): so the others do
-- not share its deaths, and do not use up their own attempts.
drop function public.start_part(uuid, integer, integer);

create function public.start_part(
  p_import uuid, p_part integer, p_max_attempts integer, p_alone boolean default true
) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_attempts integer;
begin
  if not p_alone and exists (
    select from public.import_parts
    where import_id = p_import and part = p_part and state in ('queued', 'importing')
      and attempts > 0
  ) then
    return jsonb_build_object('suspect', true);
  end if;
  update public.import_parts
  set state = 'importing', attempts = attempts + 1,
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

revoke all on function public.start_part(uuid, integer, integer, boolean)
  from public, anon, authenticated;
grant execute on function public.start_part(uuid, integer, integer, boolean) to service_role;

notify pgrst, 'reload schema';
