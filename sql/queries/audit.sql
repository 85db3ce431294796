-- name: take_turn(key)
-- Rows are sealed one after the other.
select pg_advisory_xact_lock($1)

-- name: head()
-- The newest row's number and hash.
select id, hash from audit order by id desc limit 1

-- name: add(id, shop_id, at, actor, role, action, object, detail, request_id, address_hash, hash)
-- One more row.
insert into audit (id, shop_id, at, actor, role, action, object, detail, request_id, address_hash, hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: clock()
-- When it is, for a row whose own hash holds its time.
select clock_timestamp()

-- name: after(id, most)
-- The rows that follow, in their order.
select * from audit where id > $1 order by id limit $2

-- name: page(shop_id, before, actor, object, action, most)
-- A shop's rows, newest first, by whom and about what.
select *
from audit
where shop_id = $1 and id < $2
  and ($3::text is null or actor = $3) and ($4::text is null or object = $4) and ($5::text is null or action = $5)
order by id desc
limit $6
