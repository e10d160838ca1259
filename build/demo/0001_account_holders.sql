-- Every account gets a holder. Real data tells how long that takes.
alter table pgbench_accounts add column holder text;
update pgbench_accounts set holder = 'customer ' || aid;
alter table pgbench_accounts alter column holder set not null;
