-- A migration that adds, removes and changes something of each kind.
create schema extra;
drop extension pg_trgm cascade;
create extension citext schema public;
drop collation app.bytewise;
alter type app.mood add value 'elated' before 'happy';
create type extra.level as enum ('low', 'high');
alter type app.address add attribute zip text;
drop type app.spans;
alter domain app.cents drop constraint not_negative;
alter domain app.cents add constraint small check (value < 1000000) not valid;
alter sequence app.tickets increment by 20 no cycle;

alter table app.customers add column phone text, drop column home, alter column mood set default 'happy', alter column mood set not null, alter column notes set storage extended;
alter table app.customers set (fillfactor = 90), replica identity full;
alter table app.customers add constraint has_at check (email like '%@%') not valid;
comment on column app.customers.email is 'Where to write, and when';
create table extra.tags (id bigint generated always as identity primary key, name citext not null unique, "order" int default 0);
comment on table extra.tags is 'Words';
drop table app.scratch;
alter table app.invoices add column paid boolean not null default false;
create table app.invoices_2026 partition of app.invoices for values from ('2026-01-01 00:00+01') to ('2027-01-01 00:00+01');
alter table app.derived alter column a set default 5;
drop index app.invoices_by_customer;
create index customers_phone on app.customers (phone);
alter statistics app.customers_stats set statistics 100;
drop materialized view app.summary;
create or replace view app.totals as
    select c.id, c.email, sum(i.total) as total, max(i.made) as latest from app.customers c join app.invoices i on i.customer = c.id group by c.id, c.email;

create or replace function app.touch() returns trigger language plpgsql as $body$
begin
    new.notes := coalesce(new.notes, '') || 'touched again';	-- a tab
    return new;
end
$body$;
drop function app.double(text);
create function extra.hello(name text) returns text language sql as 'select ''hello '' || name';
create or replace procedure app.clean(days int) language plpgsql as $$ begin delete from app.invoices where made <= now() - make_interval(days => days); end $$;
drop aggregate app.product(float8);
drop cast (app.address as int);
drop operator app.+ (app.address, app.address);
alter text search configuration app.search drop mapping for email;

alter table app.customers enable trigger never;
drop trigger touched on app.customers;
drop policy own_rows on app.customers;
create policy everybody on app.customers for all to reporting using (true) with check (id > 0);
alter table app.customers force row level security;
drop rule no_deletes on app.base;
alter event trigger watch_drops disable;
alter server far_away options (set host 'nearer.example.com', set passfile 'Sesame-1', add fetch_size '500');
alter user mapping for public server far_away options (set password 'Sesame-8', drop user);
alter foreign table app.remote add column size int options (column_name 'Size');
alter server homely options (set host 'there', set password 'Sesame-10');
alter foreign data wrapper homemade options (drop api_key);
alter publication partly set table app.customers;
drop publication everything;

alter table app.base owner to reporting;
revoke insert on app.customers from reporting;
grant execute on procedure app.clean(int) to reporting;
alter default privileges in schema app revoke select on tables from reporting;
