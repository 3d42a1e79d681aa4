-- The private bucket of the uploaded files. If Storage has not created its tables yet, the service
-- creates the bucket when it starts.
do $$
begin
  if to_regclass('storage.buckets') is not null then
    insert into storage.buckets (id, name, public)
    values ('imports', 'imports', false)
    on conflict (id) do nothing;
  end if;
end
$$;
