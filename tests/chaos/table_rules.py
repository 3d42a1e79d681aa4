"""Rules that a user may have added to the contacts table: constraints and triggers."""

import contextlib
from collections.abc import Iterator

from tests.chaos.data import Data
from tests.chaos.stack import ImporterStack

TRIGGER = """
    create function public.chaos() returns trigger language plpgsql as $$
    begin
      if new.source = '{source}' and split_part(new.name, ' ', 2)::int in ({numbers}) then
        {action};
      end if;
      return new;
    end $$;
    create trigger chaos before insert on public.contacts
      for each row execute function public.chaos()
"""
CHECK = """
    alter table public.contacts add constraint chaos check
      (source <> '{source}' or split_part(name, ' ', 2)::int not in ({numbers}))
"""
REMOVE_RULES = """
    alter table public.contacts drop constraint if exists chaos;
    drop trigger if exists chaos on public.contacts;
    drop function if exists public.chaos();
"""


@contextlib.contextmanager
def rule_on_contacts(
    stack: ImporterStack, statement: str, data: Data, **more: str
) -> Iterator[None]:
    """Apply a rule to the contacts of one data set until the end of the block."""
    stack.query(statement.format(source=data.source, **more))
    try:
        yield
    finally:
        stack.query(REMOVE_RULES)
