-- name: quarantined(most)
-- What was received and could not be read, newest first. [index: observation_quarantine]
select o.id, o.source, o.carrier, o.received_at, o.content_type, o.size, o.problem, o.problem_path, o.shipment_id,
       p.name as partner
from shop
cross join lateral (
    select id, source, carrier, received_at, content_type, octet_length(raw) as size, problem, problem_path, shipment_id,
           partner_id
    from observation
    where shop_id = shop.id and problem is not null and settled_at is null
    order by id desc
    limit $1) o
left join partner p on p.id = o.partner_id
order by o.id desc
limit $1

-- name: unclaimed(most)
-- Events pushed for numbers that no shipment has. [index: unclaimed_number]
select u.id, u.carrier, u.tracking_number, u.observation_id, u.received_at,
       jsonb_array_length(coalesce(u.report->'events', '[]')) as events
from unclaimed u
where u.claimed_by is null
order by u.tracking_number
limit $1

-- name: unmapped(look_at, most)
-- Codes among the newest events that nobody has mapped yet, the most frequent first. [index: event_pkey]
select s.carrier, e.code, e.text, count(*) as times, max(e.received_at) as last_received_at,
       max(e.shipment_id) as shipment_id
from (
    select code, text, milestone, informational, received_at, shipment_id
    from event
    order by id desc
    limit $1) e
join shipment s on s.id = e.shipment_id
where e.milestone = 'unknown' and not e.informational
group by s.carrier, e.code, e.text
order by times desc, last_received_at desc
limit $2

-- name: undecided(most)
-- Shipments that our own mistake keeps from being decided. [index: shipment_undecided]
select s.id, s.tracking_number, s.carrier, s.undecided, o.reference as order_reference, d.next_moment_at
from shipment s
join customer_order o on o.id = s.order_id
join schedule d on d.shipment_id = s.id
where s.undecided is not null
order by s.id desc
limit $1
