-- The queue of dramatiq-pg 0.12, as its `dramatiq-pg init` makes it, so that a project needs
-- nothing but these migrations. Not in `public`: no API serves it.
create schema if not exists dramatiq;

do $$
begin
  if to_regtype('dramatiq.state') is null then
    create type dramatiq.state as enum ('queued', 'consumed', 'rejected', 'done');
  end if;
end
$$;

create table if not exists dramatiq.queue (
  message_id uuid primary key,
  queue_name text not null default 'default',
  state dramatiq.state,
  mtime timestamp with time zone default (now() at time zone 'UTC'),
  message jsonb,
  result jsonb,
  result_ttl timestamp with time zone
);

create index if not exists queue_state_mtime_idx on dramatiq.queue (state, mtime);
