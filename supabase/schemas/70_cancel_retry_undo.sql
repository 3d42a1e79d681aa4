-- Stops an import; what is written stays. Cancels the queued parts; those being imported end when
-- their attempts write the next batch. p_by is the name of the API key that asks for it. Returns
-- the import as get_import does; null if it is unknown. Raises PT409 if the import has ended.
create function public.cancel_import(p_import uuid, p_by text default null) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_state text;
begin
  select state into v_state from public.imports where id = p_import for no key update;
  if v_state in ('queued', 'importing') then
    update public.imports set state = 'cancelling', cancelled_by = p_by where id = p_import;
    perform public.stop_parts(p_import, '{queued}', null, 'cancelled', null, null);
    perform public.close_import(p_import);
  elsif v_state not in ('cancelling', 'cancelled') then
    raise sqlstate 'PT409' using message = format(
      'import %s cannot be cancelled: its state is %s', p_import, v_state);
  end if;
  return public.get_import(p_import);
end
$$;

-- Queues the failed parts again, and only those. The message is new for each retry; a call with the
-- same message changes nothing. Counts the retry in generation, from which part messages are
-- computed, so that a part's old message, which is possibly just being acknowledged, does not
-- replace the new one. From now on the import's work belongs to the trace of the retry. Returns the
-- import as get_import does; null if it is unknown. Raises PT409 if the import has not failed, PT410
-- if its object has expired, and 55P03 while its rejections are being removed: those of the new
-- attempts would be removed with them.
create function public.retry_import(p_import uuid, p_message jsonb) returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
  v_part public.import_parts;
begin
  select * into v_import from public.imports where id = p_import for no key update;
  if v_import.message_id = (p_message ->> 'message_id')::uuid then
    return public.get_import(p_import);
  end if;
  if v_import.state <> 'failed' then
    raise sqlstate 'PT409' using message = format(
      'import %s cannot be retried: its state is %s', p_import, v_import.state);
  end if;
  if v_import.object_expired_at is not null then
    raise sqlstate 'PT410' using message = format(
      'import %s cannot be retried: its object has expired', p_import);
  end if;
  if v_import.rejections_expired_at is not null and v_import.rejections_removed_at is null then
    raise sqlstate '55P03' using message = format(
      'import %s cannot be retried now: its rejections are being removed', p_import);
  end if;
  for v_part in
    select * from public.import_parts where import_id = p_import and state = 'failed'
    order by part for no key update
  loop
    perform public.clear_rejections(v_part);
  end loop;
  update public.import_parts
  set state = 'queued', imported = 0, rejected = 0, skipped = 0, rejected_codes = null,
      skipped_codes = null, warnings = null, open_attempts = '{}',
      attempt = null, message_id = null, retries = 0, stops = 0, failure_code = null,
      failure = null,
      finished_at = null
  where import_id = p_import and state = 'failed';
  perform public.recount_import(p_import);
  update public.imports
  set state = 'queued', finished_at = null, generation = generation + 1,
      message_id = (p_message ->> 'message_id')::uuid,
      traceparent = p_message #>> '{options,traceparent}',
      notify = jsonb_set(notify, '{message,options}', coalesce(p_message -> 'options', '{}')),
      rejections_expired_at = null, rejections_removed_at = null
  where id = p_import and v_import.id is not null;
  if found then
    perform public.enqueue_message(p_message);
  end if;
  return public.get_import(p_import);
end
$$;

-- Starts the removal of everything that an import wrote, by the actor of the message. An import
-- that is not finished is cancelled first, and close_import starts the removal. p_by is the name of
-- the API key that asks for it. Returns the import as get_import does; null if it is unknown.
create function public.undo_import(p_import uuid, p_message jsonb, p_by text default null)
returns jsonb
language plpgsql set search_path = ''
as $$
declare
  v_import public.imports;
begin
  select * into v_import from public.imports where id = p_import for no key update;
  update public.imports
  set undo = p_message, undone_by = p_by
  where id = p_import and (undo is null or state = 'undo_failed');
  if v_import.state in ('queued', 'importing', 'cancelling') then
    perform public.cancel_import(p_import);
  elsif v_import.state in ('completed', 'failed', 'cancelled', 'undo_failed') then
    perform public.begin_undo(p_import);
  end if;
  return public.get_import(p_import);
end
$$;

-- Sets the state to undoing and queues the undo message. Parts that were never started have nothing
-- to remove.
create function public.begin_undo(p_import uuid) returns text
language plpgsql set search_path = ''
as $$
declare
  v_message jsonb;
begin
  update public.imports set state = 'undoing', undo_failure = null
  where id = p_import returning undo into v_message;
  update public.import_parts set state = 'undone' where import_id = p_import and started_at is null;
  perform public.recount_import(p_import);
  perform public.enqueue_message(v_message);
  return 'undoing';
end
$$;

-- Removes up to p_limit contacts of an import that is being undone, and with the last ones of a
-- part its rejections. Returns false when nothing is left. It selects the range of ids first and
-- deletes it then: for "id in (select ... limit)" Postgres may scan the whole table.
create function public.undo_some(p_import uuid, p_limit integer) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_prefix text := public.prefix_of_import(p_import);
  v_part public.import_parts;
  v_undone public.import_parts;
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
  v_from := public.contact_id(v_prefix, v_part.first_record);
  v_to := public.contact_id(v_prefix, v_part.first_record + v_part.records - 1);
  select id into v_last from public.contacts
  where id between v_from and v_to order by id offset p_limit - 1 limit 1;
  delete from public.contacts where id between v_from and coalesce(v_last, v_to);
  if v_last is null then
    perform public.clear_rejections(v_part);
    update public.import_parts
    set state = 'undone', imported = 0, rejected = 0, skipped = 0, rejected_codes = null,
        skipped_codes = null, warnings = null, failure_code = null,
        failure = null
    where import_id = p_import and part = v_part.part
    returning * into v_undone;
    perform public.count_part(v_part, v_undone);
  end if;
  return true;
end
$$;

-- Returns the name of an import's object while the import is being undone, else null.
create function public.object_to_undo(p_import uuid) returns text
language sql stable set search_path = ''
as $$
  select object from public.imports where id = p_import and state = 'undoing'
$$;

-- Completes an undo; call it after the object is removed, too. Changes nothing while parts are
-- left.
create function public.finish_undo(p_import uuid) returns void
language sql set search_path = ''
as $$
  update public.imports
  set state = 'undone',
      object_expired_at = coalesce(object_expired_at, statement_timestamp()),
      object_removed_at = coalesce(object_removed_at, statement_timestamp()),
      rejections_expired_at = coalesce(rejections_expired_at, statement_timestamp()),
      rejections_removed_at = coalesce(rejections_removed_at, statement_timestamp())
  where id = p_import and state = 'undoing' and not exists (
    select from public.import_parts where import_id = p_import and state <> 'undone')
$$;

-- Ends an undo that the database or Storage refuses. Records the reason and the number of contacts
-- left: those of the part at which it stopped, and all of the parts after it. Changes nothing
-- unless the import is being undone. undo_import can start it again.
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
