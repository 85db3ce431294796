-- name: urgent(shop_id, weight, due_at, id, look_at, state, category, severity, waiting_on, carrier, due_before, most)
-- A shop's open incidents after a place in the queue, the most urgent first; of `look_at` of them those that are asked for, and where the look ended. [index: incident_urgency]
with looked_at as materialized (
    select id, shipment_id, category, cause, state, severity, action_owner, action, action_until, opened_at,
           promised_update_at, array_position(array['critical', 'high', 'medium', 'low'], severity) as weight,
           coalesce(promised_update_at, 'infinity') as due_at
    from incident
    where shop_id = $1 and state not in ('resolved', 'closed', 'merged')
      and (array_position(array['critical', 'high', 'medium', 'low'], severity),
           coalesce(promised_update_at, 'infinity'), id) > ($2::int, $3::timestamptz, $4::bigint)
    order by array_position(array['critical', 'high', 'medium', 'low'], severity),
             coalesce(promised_update_at, 'infinity'), id
    limit $5
), chosen as (
    select l.*
    from looked_at l
    where ($6::text is null or l.state = $6) and ($7::text is null or l.category = $7)
      and ($8::text is null or l.severity = $8) and ($9::text is null or l.action_owner = $9)
      and ($10::text is null or exists (select from shipment s where s.id = l.shipment_id and s.carrier = $10))
      and ($11::timestamptz is null or least(l.promised_update_at, l.action_until) <= $11)
    order by l.weight, l.due_at, l.id
    limit $12
)
select c.*, s.carrier, s.tracking_number, s.destination_country, o.reference as order_reference, t.city, e.looked_at,
       e.last_weight, e.last_due_at, e.last_id
from (
    select count(*) as looked_at, (array_agg(weight order by weight desc, due_at desc, id desc))[1] as last_weight,
           (array_agg(due_at order by weight desc, due_at desc, id desc))[1] as last_due_at,
           (array_agg(id order by weight desc, due_at desc, id desc))[1] as last_id
    from looked_at) e
left join chosen c on true
left join shipment s on s.id = c.shipment_id
left join customer_order o on o.id = s.order_id
left join contact t on t.id = s.contact_id
order by c.weight, c.due_at, c.id

-- name: counts(shop_id, look_at, now, soon, today)
-- How a shop's most urgent open incidents divide by state, category, severity, whom they wait for, carrier and time left. [index: incident_urgency]
select i.state, i.category, i.severity, i.action_owner as waiting_on, s.carrier,
       case when i.due_at <= $3 then 'overdue' when i.due_at <= $4 then 'hour' when i.due_at <= $5 then 'day' end as due,
       count(*) as incidents
from (
    select shipment_id, state, category, severity, action_owner, least(promised_update_at, action_until) as due_at
    from incident
    where shop_id = $1 and state not in ('resolved', 'closed', 'merged')
    order by array_position(array['critical', 'high', 'medium', 'low'], severity),
             coalesce(promised_update_at, 'infinity'), id
    limit $2) i
join shipment s on s.id = i.shipment_id
group by 1, 2, 3, 4, 5, 6
