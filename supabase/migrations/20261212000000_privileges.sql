-- The service role may read and change rows, and nothing else: a project's default privileges also
-- let it truncate tables, refer to them and make triggers on them.
do $$
declare
  v_table regclass;
begin
  foreach v_table in array array[
    'public.contacts',
    'public.imports', 'public.import_parts', 'public.import_sources', 'public.discarded_imports',
    'public.import_rejections', 'public.import_rejection_objects',
    'public.unfinished_uploads', 'public.sweeps'
  ]::regclass[] loop
    execute format('revoke all on %s from service_role', v_table);
    execute format('grant select, insert, update, delete on %s to service_role', v_table);
  end loop;
end
$$;
