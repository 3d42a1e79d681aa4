-- Who may use what: only the service role, and only what is listed here. Supabase serves `public`
-- to everybody who has the anon key, so each table has row level security and no policy, and
-- neither anon nor authenticated has any privilege. The default privileges of a project may grant
-- them everything or nothing: so all is revoked, and what is needed is granted. Add each new table
-- and function to its list.
do $$
declare
  v_table regclass;
  v_function regprocedure;
begin
  foreach v_table in array array[
    'public.contacts',
    'public.imports', 'public.import_parts', 'public.import_sources', 'public.discarded_imports',
    'public.import_rejections', 'public.import_rejection_objects',
    'public.unfinished_uploads', 'public.sweeps', 'public.erasures', 'public.erasure_imports'
  ]::regclass[] loop
    execute format('alter table %s enable row level security', v_table);
    execute format('revoke all on %s from anon, authenticated, service_role', v_table);
    execute format('grant select, insert, update, delete on %s to service_role', v_table);
  end loop;

  foreach v_function in array array[
    -- 10_contacts
    'public.contact_prefix', 'public.contact_id',
    -- 20_queue
    'public.enqueue_message', 'public.queue_messages', 'public.is_pending',
    'public.messages_waiting', 'public.delete_old_messages', 'public.queue_ready',
    -- 30_imports
    'public.prefix_of_import',
    -- 40_accepting
    'public.lock_import', 'public.create_import', 'public.join_import', 'public.discard_import',
    -- 42_uploads
    'public.note_upload', 'public.forget_upload', 'public.abandoned_uploads',
    -- 45_totals
    'public.change_codes', 'public.change_warnings', 'public.count_part', 'public.recount_import',
    -- 50_parts
    'public.start_import', 'public.next_source', 'public.next_part', 'public.part_of_message',
    'public.lock_part_of_message', 'public.refill_queue', 'public.lock_part', 'public.start_part',
    'public.postpone_part',
    'public.finish_part', 'public.fail_part', 'public.cancel_part', 'public.stop_parts',
    'public.part_ended', 'public.close_import',
    -- 60_writing_contacts
    'public.contacts_of', 'public.hold_part', 'public.write_contacts', 'public.insert_apart',
    'public.write_apart', 'public.contacts_among', 'public.contacts_in',
    -- 65_rejections
    'public.write_rejections', 'public.add_rejection_object', 'public.clear_rejections',
    'public.settle_rejections', 'public.sum_of_codes',
    -- 70_cancel_retry_undo
    'public.cancel_import', 'public.retry_import', 'public.undo_import', 'public.begin_undo',
    'public.undo_some', 'public.object_to_undo', 'public.finish_undo', 'public.fail_undo',
    -- 80_sweeping
    'public.begin_sweep', 'public.end_sweep', 'public.lost_imports', 'public.forget_sources',
    'public.queue_undos', 'public.known_imports',
    -- 82_retention
    'public.is_due', 'public.expire_objects', 'public.objects_removed',
    'public.expire_rejections', 'public.remove_rejections', 'public.rejections_removed',
    'public.remove_imports',
    -- 83_erasures
    'public.create_erasure', 'public.get_erasure', 'public.address_to_erase',
    'public.has_email_index', 'public.erase_contacts', 'public.rejections_to_search',
    'public.erase_rejections', 'public.rejection_objects_to_search',
    'public.note_searched_object', 'public.expire_erased_objects', 'public.finish_erasure',
    'public.fail_erasure', 'public.queue_erasures',
    -- 85_reading
    'public.get_import', 'public.list_imports', 'public.show_rejections', 'public.show_end',
    -- 87_monitoring
    'public.queue_statistics'
  ]::regproc[] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- PostgREST caches the schema.
notify pgrst, 'reload schema';
