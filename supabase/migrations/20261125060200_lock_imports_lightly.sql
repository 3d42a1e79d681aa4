-- Ends of parts queue up at their import's row, but not for those who write its rejections: a
-- transaction that does both (COPY) holds the foreign key's lock on that row already, as others do,
-- and they would wait for each other.
do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.close_import(uuid)', 'public.fail_part(uuid, integer, text, text)',
    'public.finish_part(uuid, integer, bigint, bigint)'
  ]::regprocedure[] loop
    execute replace(pg_get_functiondef(v_function), 'for update', 'for no key update');
  end loop;
end
$$;
