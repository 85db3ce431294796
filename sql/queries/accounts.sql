-- name: of_shop(shop_id)
-- The accounts that were given in the console.
select kind, code, name, sealed, changed_at, changed_by from account where shop_id = $1 order by kind, code, name

-- name: lock(shop_id, kind, code, name)
-- One account, while it is changed.
select sealed from account where shop_id = $1 and kind = $2 and code = $3 and name = $4 for update

-- name: put(shop_id, kind, code, name, sealed, by)
-- An account as it is from now on.
insert into account (shop_id, kind, code, name, sealed, changed_at, changed_by)
values ($1, $2, $3, $4, $5, clock_timestamp(), $6)
on conflict (shop_id, kind, code, name) do update
set sealed = excluded.sealed, changed_at = excluded.changed_at, changed_by = excluded.changed_by

-- name: remove(shop_id, kind, code, name)
-- An account is no longer used.
delete from account where shop_id = $1 and kind = $2 and code = $3 and name = $4 returning true

-- name: version(shop_id)
-- Another value as soon as anything of the shop's accounts has changed.
select count(*)::text || '/' || coalesce(max(changed_at)::text, '') from account where shop_id = $1
