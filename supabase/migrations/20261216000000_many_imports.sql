-- Lists of imports, with any filter and at any depth, cost the same for a million imports as for ten.

-- Making the index takes two to four seconds for a million imports; changes of imports wait meanwhile.
create index imports_source_state_idx on public.imports (source, state, id);

-- Returns a page of imports, newest first: those before p_before, if given. A filter that is null
-- matches all. The statement has only the conditions that are given, and is planned with their
-- values: one plan for all of them would read every newer import.
create or replace function public.list_imports(p_state text, p_source text, p_before uuid, p_limit integer)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_page jsonb;
begin
  execute concat(
    'select coalesce(jsonb_agg(public.get_import(id) order by id desc), ''[]'')
     from (select id from public.imports where true',
    case when p_state is not null then ' and state = $1' end,
    case when p_source is not null then ' and source = $2' end,
    case when p_before is not null then ' and id < $3' end,
    ' order by id desc limit $4) page')
  into v_page using p_state, p_source, p_before, p_limit;
  return v_page;
end
$$;
