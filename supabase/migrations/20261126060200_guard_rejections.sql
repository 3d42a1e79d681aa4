-- Rejections as contacts: nothing is written for a part that has ended (CI001) or of an import that is
-- being cancelled (CI002). A request that was long on its way changes nothing that is counted, or
-- undone.
create function public.write_rejections(p_import uuid, p_part integer, p_rows jsonb) returns void
language plpgsql set search_path = ''
as $$
begin
  perform from public.import_parts
  where import_id = p_import and part = p_part and state = 'importing' for share;
  if not found then
    raise sqlstate 'CI001' using message = format(
      'part %s of import %s is not being imported', p_part, p_import);
  end if;
  if exists (select from public.imports where id = p_import and state = 'cancelling') then
    raise sqlstate 'CI002' using message = format('import %s is being cancelled', p_import);
  end if;
  insert into public.import_rejections
  select * from jsonb_populate_recordset(null::public.import_rejections, p_rows)
  on conflict do nothing;
end
$$;

-- The object of an import that is being undone; null of any other.
create function public.object_to_undo(p_import uuid) returns text
language sql stable set search_path = ''
as $$
  select object from public.imports where id = p_import and state = 'undoing'
$$;

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.write_rejections(uuid, integer, jsonb)', 'public.object_to_undo(uuid)'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
