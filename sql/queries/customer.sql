-- name: contact(shop_id, id)
-- One customer of a shop as they were told of with one parcel.
select id, name, email, phone, language, time_zone, company, street, city, erased_at
from contact
where shop_id = $1 and id = $2

-- name: parcels(shop_id, id, email, most)
-- The parcels of a customer: of this contact, and of those with the same address for email, newest first. [index: contact_email]
select s.id, s.carrier, s.tracking_number, s.milestone, s.status_detail, s.health, s.direction, s.registered_at,
       s.promised_at, s.destination_zone, o.reference as order_reference,
       (select count(*) from incident i
        where i.shipment_id = s.id and i.state not in ('resolved', 'closed', 'merged')) as open_incidents
from (
    select $2::bigint as id
    union
    (select id from contact where shop_id = $1 and lower(email) = lower($3) limit $4)
) c
join shipment s on s.contact_id = c.id and s.shop_id = $1
join customer_order o on o.id = s.order_id
order by s.id desc
limit $4

-- name: messages(shop_id, shipment_ids, most)
-- The messages about these parcels, newest first. [index: notice_shipment]
select m.id, m.channel, m.state, m.state_because, m.subject, m.created_at, n.kind, n.shipment_id,
       n.facts->>'order_reference' as order_reference
from notice n
join message m on m.notice_id = n.id
where n.shop_id = $1 and n.shipment_id = any($2::bigint[])
order by m.id desc
limit $3
