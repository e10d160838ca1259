alter table orders add column flag text;
