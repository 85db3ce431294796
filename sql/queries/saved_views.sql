-- name: of(staff_id, shop_id)
-- What somebody has saved in a shop, by name.
select id, name, query from saved_view where staff_id = $1 and shop_id = $2 order by name

-- name: save(staff_id, shop_id, name, query, most)
-- A view under a name, in place of one that had it; none where there are `most` already.
insert into saved_view (staff_id, shop_id, name, query)
select $1::bigint, $2::bigint, $3::text, $4::text
where (select count(*) from saved_view where staff_id = $1 and shop_id = $2 and name <> $3) < $5
on conflict (staff_id, shop_id, name) do update set query = excluded.query
returning id

-- name: remove(staff_id, shop_id, id)
-- A view of one's own goes.
delete from saved_view where staff_id = $1 and shop_id = $2 and id = $3 returning id
