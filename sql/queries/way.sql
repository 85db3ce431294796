-- name: parcel(shop_id, id)
-- One shipment of a shop with its order, its customer, its shop, its schedule and its return.
select s.id, s.carrier, s.account, s.service, s.tracking_number, s.carrier_reference, s.direction, s.origin_country,
       s.destination_country, s.destination_postcode, s.destination_zone, s.shipped_at, s.promised_at, s.value_amount,
       s.value_currency, s.registered_at, s.milestone, s.status_detail, s.health, s.belief, s.expectation, s.undecided,
       s.link_version, s.ended_at, s.replaces_id, o.reference as order_reference, s.contact_id, c.name, c.email, c.phone, c.language,
       c.time_zone as customer_zone, c.city, h.name as shop, d.next_poll_at, d.polled_at, d.poll_failures,
       d.next_moment_at, r.id as return_id, r.state as return_state, r.settled_as
from shipment s
join customer_order o on o.id = s.order_id
join contact c on c.id = s.contact_id
join shop h on h.id = s.shop_id
join schedule d on d.shipment_id = s.id
left join return_case r on r.shipment_id = s.id
where s.shop_id = $1 and s.id = $2

-- name: observations(shipment_id, most)
-- What was received about a shipment, newest first: its polls, and the pushes that brought an event. [index: observation_shipment]
select o.id, o.source, o.carrier, o.account, o.received_at, o.http_status, o.content_type, octet_length(o.raw) as size,
       o.failure, o.problem, o.problem_path, p.name as partner
from (
    (select id from observation where shipment_id = $1 order by id desc limit $2)
    union
    (select observation_id from event where shipment_id = $1)
) wanted
join observation o on o.id = wanted.id
left join partner p on p.id = o.partner_id
order by o.id desc
limit $2

-- name: events(shipment_id, most)
-- The tracking events of a shipment with all their variants, oldest first. [index: event_shipment_id_key_variant_key]
select id, key, variant, occurred_at, occurred_local, tz_certainty, precision, sequence, milestone, status_detail, category, cause, informational, code,
       text, city, country, observation_id, received_at, missing_since, withdrawn_at
from event
where shipment_id = $1
order by occurred_at nulls first, sequence, id
limit $2

-- name: incidents(shipment_id)
-- The incidents of a shipment, one per cause, each with the name of whose it is. [index: incident_shipment_id_category_cause_key]
select i.id, category, cause, signal, provenance, rule, rule_version, explanation, state, severity, responsible, reach,
       action_owner, action, action_until, action_otherwise, opened_at, changed_at, promised_update_at, silent_updates,
       next_moment_at, resolved_at, closed_at, closing_reason, reopened, merged_into, version, assignee_id,
       severity_by_staff, action_by_staff, p.name as assignee
from incident i
left join staff p on p.id = i.assignee_id
where i.shipment_id = $1
order by i.id

-- name: findings(shipment_id, most)
-- What the detectors found about a shipment, each with the incident that it opened or changed. [index: finding_incident]
select f.id, f.incident_id, f.key, f.rule, f.rule_version, f.category, f.cause, f.signal, f.provenance, f.confidence,
       f.explanation, f.evidence, f.found_at, f.withdrawn_at, f.withdrawn_because
from incident i
join finding f on f.incident_id = i.id
where i.shipment_id = $1
order by f.id
limit $2

-- name: entries(shipment_id, most)
-- The timelines of a shipment's incidents, with the names of people and keys. [index: incident_entry_incident]
select e.id, e.incident_id, e.at, e.kind, e.actor, e.detail, i.category, i.cause, coalesce(p.name, k.label) as by,
       o.name as given_to
from incident i
join incident_entry e on e.incident_id = i.id
left join staff p on p.id = case when e.actor ~ '^staff:[0-9]{1,18}$' then substring(e.actor from 7)::bigint end
left join api_key k on k.id = case when e.actor ~ '^api_key:[0-9]{1,18}$' then substring(e.actor from 9)::bigint end
left join staff o on o.id = case when e.detail->>'owner' ~ '^stf_[0-9]{1,18}$' then substring(e.detail->>'owner' from 5)::bigint end
where i.shipment_id = $1
order by e.id
limit $2

-- name: notices(shipment_id, most)
-- What its customer was to be told of a shipment. [index: notice_shipment]
select id, incident_id, kind, state, state_because, because, urgent, planned_at, facts->>'cause' as cause
from notice
where shipment_id = $1
order by id
limit $2

-- name: messages(shipment_id, most)
-- The messages in which a shipment's notices travelled. [index: notice_shipment]
select m.id, m.notice_id, m.channel, m.why, m.language, m.state, m.state_because, m.due_at, m.attempts, m.subject,
       m.provider_reference, m.created_at, m.accepted_at
from notice n
join message m on m.notice_id = n.id
where n.shipment_id = $1
order by m.id
limit $2

-- name: attempts(message_ids, most)
-- How these messages were handed over, and what the other side answered. [index: attempt_pkey]
select message_id, number, started_at, finished_at, outcome, detail
from attempt
where message_id = any($1::bigint[])
order by message_id, number
limit $2

-- name: shipment_of_incident(shop_id, id)
-- The shipment that an incident of a shop is about.
select shipment_id from incident where shop_id = $1 and id = $2

-- name: message(shop_id, id)
-- One message of a shop as it is sent and kept, with what it was said for.
select m.id, m.channel, m.why, m.language, m.state, m.state_because, m.due_at, m.attempts, m.message_id, m.subject,
       m.body, m.provider_reference, m.created_at, m.accepted_at, m.in_doubt_since, n.kind, n.shipment_id, n.incident_id,
       n.because, n.planned_at, n.promised_update_at, n.facts->>'cause' as cause,
       n.facts->>'order_reference' as order_reference, c.name, c.email, c.phone, h.name as shop, h.sender_email
from message m
join notice n on n.id = m.notice_id
join contact c on c.id = m.contact_id
join shop h on h.id = m.shop_id
where m.shop_id = $1 and m.id = $2

-- name: observation(shop_id, id, most)
-- One answer to a shop, or push for it, as received; of its bytes the first `most`.
select o.id, o.source, o.carrier, o.account, o.push_id, o.shipment_id, o.received_at, o.http_status, o.content_type,
       substring(o.raw from 1 for $3) as raw, octet_length(o.raw) as size, o.failure, o.problem, o.problem_path,
       o.settled_at, p.name as partner
from observation o
left join partner p on p.id = o.partner_id
where o.shop_id = $1 and o.id = $2
