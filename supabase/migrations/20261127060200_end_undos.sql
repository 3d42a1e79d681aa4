-- An undo that the database or Storage refuses ends as undo_failed, with a reason and what is left. It can
-- be asked for again.

-- Has all of an import removed again, by the message's actor; an import that runs is cancelled first.
create or replace function public.undo_import(p_import uuid, p_message jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
begin
  select * into v_import from public.imports where id = p_import for no key update;
  update public.imports
  set undo = case when v_import.state = 'undo_failed' then p_message else coalesce(undo, p_message) end
  where id = p_import;
  if v_import.state in ('queued', 'importing', 'cancelling') then
    perform public.cancel_import(p_import);
  elsif v_import.state in ('completed', 'failed', 'cancelled', 'undo_failed') then
    perform public.begin_undo(p_import);
  end if;
  return public.get_import(p_import);
end
$$;

-- Of parts that were never begun there is nothing to remove.
create or replace function public.begin_undo(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_message jsonb;
begin
  update public.imports set state = 'undoing', undo_failure = null
  where id = p_import returning undo into v_message;
  update public.import_parts set state = 'undone' where import_id = p_import and started_at is null;
  perform public.enqueue_message(v_message);
  return 'undoing';
end
$$;

-- Removes the next few contacts of an import that is being undone, by their range of the primary
-- key, and a part's rejections with its last ones; false when nothing is left. Two looks at that range:
-- with "id in (select ... limit)", Postgres may read all of the table to join it to the few.
create or replace function public.undo_some(p_import uuid, p_limit integer) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_from uuid;
  v_to uuid;
  v_last uuid;
begin
  perform from public.imports where id = p_import and state = 'undoing' for no key update;
  if not found then
    return false;
  end if;
  select * into v_part from public.import_parts
  where import_id = p_import and state <> 'undone' order by part limit 1 for no key update;
  if not found then
    return false;
  end if;
  v_from := public.contact_id(p_import, v_part.first_record);
  v_to := public.contact_id(p_import, v_part.first_record + v_part.records - 1);
  select id into v_last from public.contacts
  where id between v_from and v_to order by id offset p_limit - 1 limit 1;
  delete from public.contacts where id between v_from and coalesce(v_last, v_to);
  if v_last is null then
    perform public.clear_rejections(v_part);
    update public.import_parts
    set state = 'undone', imported = 0, rejected = 0, rejected_codes = null, failure_code = null,
        failure = null
    where import_id = p_import and part = v_part.part;
  end if;
  return true;
end
$$;

-- Ends an undo that cannot go on, with what it has left: contacts of the part at which it stopped, and
-- all of the parts after it. Changes nothing unless the import is being undone.
create function public.fail_undo(p_import uuid, p_code text, p_detail text) returns void
language plpgsql set search_path = ''
as $$
declare
  v_part public.import_parts;
  v_dry boolean;
  v_left bigint := 0;
begin
  select dry_run into v_dry from public.imports
  where id = p_import and state = 'undoing' for no key update;
  if not found then
    return;
  end if;
  select * into v_part from public.import_parts
  where import_id = p_import and state <> 'undone' order by part limit 1;
  if v_part.part is not null and not v_dry then
    v_left := public.contacts_in(v_part) + (
      select coalesce(sum(imported), 0) from public.import_parts
      where import_id = p_import and state <> 'undone' and part > v_part.part);
  end if;
  update public.imports
  set state = 'undo_failed', undo_failure = jsonb_build_object(
    'code', p_code, 'detail', p_detail, 'contacts_left', v_left, 'at', clock_timestamp())
  where id = p_import;
end
$$;

-- Which of these are imports that keep their objects. One array, not a set: a project's "max rows"
-- would cut a set, and what is missing in the answer is removed.
create or replace function public.known_imports(p_imports uuid[]) returns uuid[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(id), '{}') from public.imports
  where id = any (p_imports) and state <> 'undone'
$$;

do $$
declare
  v_function regprocedure;
begin
  foreach v_function in array array[
    'public.lock_part(uuid, integer, uuid)', 'public.hold_part(uuid, integer, uuid)',
    'public.clear_rejections(public.import_parts)', 'public.settle_rejections(public.import_parts)',
    'public.sum_of_codes(jsonb)', 'public.fail_part(uuid, integer, uuid, text, text)',
    'public.cancel_part(uuid, integer, uuid)',
    'public.finish_part(uuid, integer, uuid, bigint, bigint, jsonb)',
    'public.postpone_part(uuid, integer, uuid, boolean)',
    'public.start_part(uuid, integer, uuid, integer, boolean, uuid[])',
    'public.insert_apart(text)', 'public.write_apart(text)',
    'public.write_rejections(uuid, integer, uuid, jsonb)',
    'public.add_rejection_object(uuid, integer, uuid, jsonb)',
    'public.contacts_among(uuid, bigint[])', 'public.fail_undo(uuid, text, text)'
  ]::regprocedure[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
