-- name: add(wrapped, wrapped_by)
-- The data key of a database that has none yet; of two that are made at once the first stays.
insert into data_key (id, wrapped, wrapped_by, created_at, wrapped_at)
values (1, $1, $2, clock_timestamp(), clock_timestamp())
on conflict (id) do nothing

-- name: find()
-- The data key as it is kept; no row before the first start.
select wrapped, wrapped_by from data_key

-- name: lock()
-- The data key, while it is wrapped anew.
select wrapped, wrapped_by from data_key for update

-- name: rewrap(wrapped, wrapped_by)
-- The same data key under another master key.
update data_key set wrapped = $1, wrapped_by = $2, wrapped_at = clock_timestamp()
