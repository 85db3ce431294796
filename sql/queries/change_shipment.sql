-- name: stored(id, shop_id)
-- What the shop said of a shipment and its recipient, locked.
select s.carrier, s.account, s.tracking_number, s.service, s.carrier_reference, s.direction, s.origin_country,
       s.destination_country, s.destination_postcode, s.destination_zone, s.shipped_at, s.promised_at, s.essential_date,
       s.unwatched_at, s.version, s.contact_id, o.reference, c.name, c.email, c.phone, c.language, c.time_zone,
       c.company, c.street, c.city, c.erased_at
from shipment s
join customer_order o on o.id = s.order_id
join contact c on c.id = s.contact_id
where s.id = $1 and s.shop_id = $2
for update of s

-- name: write(id, postcode, country, zone, promised_at, essential_date, service, carrier_reference)
-- What the shop now says of a shipment.
update shipment
set destination_postcode = $2, destination_country = $3, destination_zone = $4, promised_at = $5, essential_date = $6,
    service = $7, carrier_reference = $8
where id = $1

-- name: write_contact(id, name, email, phone, language, time_zone, company, street, city)
-- What the shop now says of a recipient.
update contact
set name = $2, email = $3, phone = $4, language = $5, time_zone = $6, company = $7, street = $8, city = $9
where id = $1

-- name: unwatch(id, now)
-- The shop looks after a shipment itself from now on: no carrier is asked about it.
with ended as (update shipment set unwatched_at = $2 where id = $1)
update schedule set next_poll_at = null where shipment_id = $1

-- name: tell(shop_id, shipment_id, kind, now, detail)
-- News of a change by the shop for the feed: which fields, not what stands in them.
insert into change (shop_id, kind, shipment_id, at, detail) values ($1, $3, $2, $4, $5)
