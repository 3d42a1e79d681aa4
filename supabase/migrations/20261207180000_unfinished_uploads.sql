-- Resumable uploads that the service has begun. Storage's file backend keeps the bytes of an
-- unfinished one for ever, so a sweep ends those whose service is gone.
create table public.unfinished_uploads (
  path text primary key,
  seen_at timestamptz not null default clock_timestamp()
);

comment on column public.unfinished_uploads.path is 'address in Storage, without the host';
comment on column public.unfinished_uploads.seen_at is 'when its service last said that it runs';

-- Records that an upload runs: before its first bytes, and again every minute.
create function public.note_upload(p_path text) returns void
language sql set search_path = ''
as $$
  insert into public.unfinished_uploads (path) values (p_path)
  on conflict (path) do update set seen_at = clock_timestamp()
$$;

-- Records that an upload has ended, with an object or without.
create function public.forget_upload(p_path text) returns void
language sql set search_path = ''
as $$
  delete from public.unfinished_uploads where path = p_path
$$;

-- Returns the next p_limit uploads after p_after, in order of their paths, that were last seen more
-- than p_seconds ago. It is one array, because the API's "max rows" would truncate a set.
create function public.abandoned_uploads(
  p_seconds double precision, p_after text, p_limit integer
) returns text[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(path order by path), '{}')
  from (
    select path from public.unfinished_uploads
    where path > p_after and seen_at < clock_timestamp() - make_interval(secs => p_seconds)
    order by path limit p_limit
  ) abandoned
$$;

do $$
declare
  v_function regprocedure;
begin
  alter table public.unfinished_uploads enable row level security;
  revoke all on public.unfinished_uploads from anon, authenticated;
  grant select, insert, update, delete on public.unfinished_uploads to service_role;
  foreach v_function in array array[
    'public.note_upload', 'public.forget_upload', 'public.abandoned_uploads'
  ]::regproc[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- PostgREST caches the schema.
notify pgrst, 'reload schema';
