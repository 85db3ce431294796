-- name: place(shop_id, reference, placed_at, value_amount, value_currency, destination_country, items, customs)
-- An order, made or completed: what was said of it before stays.
insert into customer_order as o (
    shop_id, reference, placed_at, value_amount, value_currency, destination_country, items, customs)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (shop_id, reference) do update
set placed_at = coalesce(o.placed_at, excluded.placed_at),
    value_amount = coalesce(o.value_amount, excluded.value_amount),
    value_currency = coalesce(o.value_currency, excluded.value_currency),
    destination_country = coalesce(o.destination_country, excluded.destination_country),
    items = case when o.items = '[]' then excluded.items else o.items end,
    customs = coalesce(o.customs, excluded.customs)
returning id, xmax = 0 as is_new

-- name: order_ids(shop_id, reference, before, most)
-- Orders of a shop, newest first; null filters nothing.
select id
from customer_order
where shop_id = $1 and id < $3 and ($2::text is null or reference = $2)
order by id desc
limit $4

-- name: orders(shop_id, ids)
-- These orders with their shipments, newest first.
select o.id, o.reference, o.placed_at, o.value_amount, o.value_currency, o.destination_country, o.items, o.customs,
       array(select 'shp_' || s.id from shipment s where s.order_id = o.id order by s.id) as shipments
from customer_order o
where o.shop_id = $1 and o.id = any($2::bigint[])
order by o.id desc
