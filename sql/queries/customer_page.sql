-- name: parcel(token_hash, now, kept_for)
-- What a customer's link opens, while it is not revoked and for some time after the end.
select s.id, s.order_id, s.carrier, s.tracking_number, s.direction, s.milestone, s.belief, s.expectation, s.promised_at,
       s.origin_country, s.destination_country, o.reference as order_reference, c.language, c.time_zone as zone,
       h.name as shop, h.phone, h.reply_email, h.website, h.sender_email, h.language as shop_language,
       r.state as return_state, r.settled_as,
       (select i.closing_reason from incident i
        where i.shipment_id = s.id and i.reach = 'customer' and i.closing_reason in ('refunded', 'reshipped')
        order by i.resolved_at desc limit 1) as made_good
from capability k
join shipment s on s.id = k.shipment_id
join customer_order o on o.id = s.order_id
join contact c on c.id = s.contact_id
join shop h on h.id = s.shop_id
left join return_case r on r.shipment_id = s.id
where k.token_hash = $1 and k.purpose = 'view' and k.revoked_at is null
  and (s.ended_at is null or s.ended_at > $2::timestamptz - $3::interval)

-- name: events(shipment_id, most)
-- What a customer may read of the way of a parcel, newest first. [index: event_shipment_id_key_variant_key]
select key, occurred_at, occurred_local, milestone, status_detail, category, city, country
from event
where shipment_id = $1 and withdrawn_at is null and not informational and milestone <> 'unknown'
order by occurred_at desc nulls last, sequence desc, id desc
limit $2

-- name: incidents(shipment_id)
-- Open incidents that concern the customer, the weightiest first. [index: incident_shipment_id_category_cause_key]
select category, cause, severity, action_owner, action, action_until, opened_at, promised_update_at, silent_updates
from incident
where shipment_id = $1 and reach = 'customer' and state not in ('resolved', 'closed', 'merged')
order by array_position(array['low', 'medium', 'high', 'critical'], severity) desc, id

-- name: siblings(order_id, shipment_id, most)
-- The other parcels of the same order. [index: shipment_order]
select id, carrier, tracking_number, direction, milestone, status_detail, health
from shipment
where order_id = $1 and id <> $2
order by id
limit $3
