-- name: find(shop_id, carrier, tracking_number, order_reference)
-- A shipment by what makes it one: shop, carrier, number and order.
select s.id, s.link_version
from shipment s
join customer_order o on o.id = s.order_id
where s.shop_id = $1 and s.carrier = $2 and s.tracking_number = $3 and o.reference = $4

-- name: upsert_order(shop_id, reference, placed_at, value_amount, value_currency)
-- The order, made with its first parcel and completed by later ones.
insert into customer_order as o (shop_id, reference, placed_at, value_amount, value_currency)
values ($1, $2, $3, $4, $5)
on conflict (shop_id, reference) do update
set placed_at = coalesce(o.placed_at, excluded.placed_at),
    value_amount = coalesce(o.value_amount, excluded.value_amount),
    value_currency = coalesce(o.value_currency, excluded.value_currency)
returning id

-- name: insert_shipment(row, now)
-- A new shipment and whom to tell about it.
with given as (
    select *
    from jsonb_to_record($1::jsonb) as r (
        shop_id bigint, order_id bigint, name text, email text, phone text, language text, customer_zone text,
        company text, street text, city text, carrier text, account text, service text, tracking_number text,
        carrier_reference text, direction text, origin_country text, destination_country text,
        destination_postcode text, destination_zone text, shipped_at timestamptz, promised_at timestamptz,
        essential_date boolean, value_amount numeric, value_currency text, items jsonb, customs jsonb,
        replaces_id bigint, registered_at timestamptz)
), told as (
    insert into contact (shop_id, name, email, phone, language, time_zone, company, street, city)
    select shop_id, name, email, phone, language, customer_zone, company, street, city
    from given
    returning id
)
insert into shipment (
    shop_id, order_id, contact_id, carrier, account, service, tracking_number, carrier_reference, direction,
    origin_country, destination_country, destination_postcode, destination_zone, shipped_at, promised_at,
    essential_date, value_amount, value_currency, items, customs, replaces_id, registered_at)
select shop_id, order_id, told.id, carrier, account, service, tracking_number, carrier_reference, direction,
       origin_country, destination_country, destination_postcode, destination_zone, shipped_at, promised_at,
       essential_date, value_amount, value_currency, items, customs, replaces_id, $2
from given
cross join told
returning id, link_version

-- name: ensure_account(shop_id, carrier, account)
-- The row that holds an account's budget and breaker.
insert into carrier_account (shop_id, carrier, account) values ($1, $2, $3) on conflict do nothing

-- name: insert_schedule(shipment_id, shop_id, carrier, account, now)
-- Ask the carrier, and look, right away.
insert into schedule (shipment_id, shop_id, carrier, account, next_poll_at, next_moment_at)
values ($1, $2, $3, $4, $5, $5)

-- name: insert_return(shop_id, shipment_id, now)
-- Goods that the customer sends back begin with their label.
insert into return_case (shop_id, shipment_id, state, reason, opened_at, changed_at)
values ($1, $2, 'label_sent', 'customer_return', $3, $3)

-- name: insert_change(shop_id, shipment_id, now, detail)
-- News of a registration for the feed.
insert into change (shop_id, kind, shipment_id, at, detail) values ($1, 'shipment.registered', $2, $3, $4)

-- name: insert_capability(token_hash, shipment_id, now)
-- The customer's link to this shipment.
insert into capability (token_hash, purpose, shipment_id, created_at) values ($1, 'view', $2, $3)
