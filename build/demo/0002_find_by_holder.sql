-- pgd: no-transaction
create index concurrently pgbench_accounts_by_holder on pgbench_accounts (holder);
