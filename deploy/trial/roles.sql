-- Passwords of the roles with which PostgREST and Storage log in; the image makes the roles.
\set password `echo "$POSTGRES_PASSWORD"`
alter role authenticator with password :'password';
alter role supabase_storage_admin with password :'password';
