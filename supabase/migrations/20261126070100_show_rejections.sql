-- The next rejections of an import behind a record, in input order, and how its records are written;
-- null if it is unknown. One JSON, not a set: a project's "max rows" would cut a set.
create function public.show_rejections(p_import uuid, p_after bigint, p_limit integer) returns json
language sql stable set search_path = ''
as $$
  select json_build_object(
    'layout', i.layout,
    'rejections', (
      select coalesce(json_agg(page order by page.record), '[]')
      from (
        select r.record, r.code, r.message, r.content from public.import_rejections r
        where r.import_id = i.id and r.record > p_after
        order by r.record
        limit p_limit
      ) page
    )
  )
  from public.imports i
  where i.id = p_import
$$;

revoke all on function public.show_rejections(uuid, bigint, integer)
  from public, anon, authenticated;
grant execute on function public.show_rejections(uuid, bigint, integer) to service_role;

notify pgrst, 'reload schema';
