-- What an import leaves is removed some time after its end: its object, its rejections, at last its
-- row. Each is first marked as expired, from when on nothing uses it, then removed, then marked as
-- removed. So a sweep that is killed anywhere is repeated by the next one. Its contacts stay.

-- Returns whether an import has ended, and so long ago that what it left is due: after the time
-- that its client gave, or p_keep seconds if that is less. Null is for ever.
create function public.is_due(p_import public.imports, p_keep double precision) returns boolean
language sql stable set search_path = ''
as $$
  select p_import.state in ('completed', 'failed', 'cancelled', 'undo_failed')
    and coalesce(p_import.finished_at < clock_timestamp()
      - least(p_import.keep, make_interval(secs => p_keep)), false)
$$;

-- Marks objects that are due as expired, p_limit at most. Returns the imports of objects that are
-- expired and not removed yet, with the names of the objects, p_limit at most. Nothing that is
-- queued, running or being undone is due.
create function public.expire_objects(p_keep double precision, p_limit integer) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_due uuid[];
begin
  v_due := array(
    (
      select id from public.imports
      where object_expired_at is null
        and state in ('completed', 'failed', 'cancelled', 'undo_failed')
        and finished_at < v_now - make_interval(secs => p_keep)
      order by finished_at limit p_limit
    )
    union
    (
      select id from public.imports
      where object_expired_at is null and keep is not null
        and state in ('completed', 'failed', 'cancelled', 'undo_failed')
        and (finished_at at time zone 'UTC') + keep < v_now at time zone 'UTC'
      order by (finished_at at time zone 'UTC') + keep limit p_limit
    )
    limit p_limit);
  update public.imports i set object_expired_at = v_now
  where id = any (v_due) and object_expired_at is null and public.is_due(i, p_keep);
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'object', object)), '[]')
    from (
      select id, object from public.imports
      where object_expired_at is not null and object_removed_at is null
      order by object_expired_at limit p_limit
    ) expired
  );
end
$$;

-- Records that Storage has removed the objects of these imports. Returns of how many that was not
-- known yet.
create function public.objects_removed(p_imports uuid[]) returns bigint
language sql set search_path = ''
as $$
  with removed as (
    update public.imports set object_removed_at = clock_timestamp()
    where id = any (p_imports) and object_expired_at is not null and object_removed_at is null
    returning id
  )
  select count(*) from removed
$$;

-- Marks rejections that are due as expired, of p_limit imports at most. Returns the imports of
-- rejections that are expired and not removed yet, p_limit at most, and whether Storage may have
-- some of them.
create function public.expire_rejections(p_keep double precision, p_limit integer) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_due uuid[];
begin
  v_due := array(
    (
      select id from public.imports
      where rejections_expired_at is null
        and state in ('completed', 'failed', 'cancelled', 'undo_failed')
        and finished_at < v_now - make_interval(secs => p_keep)
      order by finished_at limit p_limit
    )
    union
    (
      select id from public.imports
      where rejections_expired_at is null and keep is not null
        and state in ('completed', 'failed', 'cancelled', 'undo_failed')
        and (finished_at at time zone 'UTC') + keep < v_now at time zone 'UTC'
      order by (finished_at at time zone 'UTC') + keep limit p_limit
    )
    limit p_limit);
  update public.imports i set rejections_expired_at = v_now
  where id = any (v_due) and rejections_expired_at is null and public.is_due(i, p_keep);
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', id, 'stored', rejected > 0 or state <> 'completed')), '[]')
    from (
      select id, rejected, state from public.imports
      where rejections_expired_at is not null and rejections_removed_at is null
      order by rejections_expired_at limit p_limit
    ) expired
  );
end
$$;

-- Removes up to p_limit expired rejections of these imports from their tables. Returns how many.
create function public.remove_rejections(p_imports uuid[], p_limit integer) returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_expired uuid[];
  v_removed bigint;
begin
  -- The lock keeps retry_import from making new rejections meanwhile.
  v_expired := array(
    select id from public.imports
    where id = any (p_imports) and rejections_expired_at is not null
      and rejections_removed_at is null
    order by id for no key update);
  delete from public.import_rejection_objects where import_id = any (v_expired);
  delete from public.import_rejections r
  using (
    select import_id, record from public.import_rejections
    where import_id = any (v_expired) limit p_limit
  ) batch
  where r.import_id = batch.import_id and r.record = batch.record;
  get diagnostics v_removed = row_count;
  return v_removed;
end
$$;

-- Records that the rejections of these imports are removed, in Storage too. Returns of how many
-- that was not known yet.
create function public.rejections_removed(p_imports uuid[]) returns bigint
language sql set search_path = ''
as $$
  with removed as (
    update public.imports set rejections_removed_at = clock_timestamp()
    where id = any (p_imports) and rejections_expired_at is not null
      and rejections_removed_at is null
    returning id
  )
  select count(*) from removed
$$;

-- Removes up to p_limit imports that ended more than p_keep seconds ago, with their parts and
-- idempotency keys, once their objects and rejections are removed and nothing is left to notify of.
-- Returns how many.
create function public.remove_imports(p_keep double precision, p_limit integer) returns bigint
language plpgsql set search_path = ''
as $$
declare
  v_before timestamptz := clock_timestamp() - make_interval(secs => p_keep);
  v_removed bigint;
begin
  delete from public.imports
  where id = any (array(
    select id from public.imports
    where object_removed_at is not null and rejections_removed_at is not null
      and finished_at < v_before and state <> 'undoing'
      and (notify is null or not public.is_pending((notify #>> '{message,message_id}')::uuid))
    order by finished_at limit p_limit
  ))
    and object_removed_at is not null and rejections_removed_at is not null
    and finished_at < v_before and state <> 'undoing';
  get diagnostics v_removed = row_count;
  return v_removed;
end
$$;
