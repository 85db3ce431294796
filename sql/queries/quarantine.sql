-- name: quarantined(shop_id, most)
-- What was received for a shop and could not be read, newest first. [index: observation_quarantine]
select o.id, o.source, o.carrier, o.received_at, o.content_type, o.size, o.problem, o.problem_path, o.shipment_id,
       p.name as partner
from (
    select id, source, carrier, received_at, content_type, octet_length(raw) as size, problem, problem_path, shipment_id,
           partner_id
    from observation
    where shop_id = $1 and problem is not null and settled_at is null
    order by id desc
    limit $2) o
left join partner p on p.id = o.partner_id
order by o.id desc

-- name: unclaimed(shop_id, most)
-- Events pushed for numbers that no shipment of the shop has. [index: unclaimed_number]
select u.id, u.carrier, u.tracking_number, u.observation_id, u.received_at,
       jsonb_array_length(coalesce(u.report->'events', '[]')) as events
from unclaimed u
where u.shop_id = $1 and u.claimed_by is null
order by u.tracking_number
limit $2

-- name: unmapped(shop_id, look_at, most)
-- A shop's codes among the newest events that nobody has mapped yet, the most frequent first. [index: event_pkey]
select s.carrier, e.code, e.text, count(*) as times, max(e.received_at) as last_received_at,
       max(e.shipment_id) as shipment_id
from (
    select shop_id, code, text, milestone, informational, received_at, shipment_id
    from event
    order by id desc
    limit $2) e
join shipment s on s.id = e.shipment_id
where e.shop_id = $1 and e.milestone = 'unknown' and not e.informational
group by s.carrier, e.code, e.text
order by times desc, last_received_at desc
limit $3

-- name: undecided(shop_id, most)
-- A shop's shipments that our own mistake keeps from being decided. [index: shipment_undecided]
select s.id, s.tracking_number, s.carrier, s.undecided, o.reference as order_reference, d.next_moment_at
from shipment s
join customer_order o on o.id = s.order_id
join schedule d on d.shipment_id = s.id
where s.shop_id = $1 and s.undecided is not null
order by s.id desc
limit $2
