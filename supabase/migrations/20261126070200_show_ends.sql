-- Whom to tell of an import's end, and the import as it is now; null if nobody has to be told.
create function public.show_end(p_import uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select jsonb_build_object('url', notify ->> 'url', 'import', public.get_import(id))
  from public.imports
  where id = p_import and notify is not null
$$;

revoke all on function public.show_end(uuid) from public, anon, authenticated;
grant execute on function public.show_end(uuid) to service_role;

notify pgrst, 'reload schema';
