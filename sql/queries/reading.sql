-- name: machine_time()
-- The database's clock, for the window in which a signature counts.
select clock_timestamp()

-- name: shipment_ids(shop_id, carrier, milestone, health, before, most)
-- Shipments of a shop, newest first; null filters nothing.
select s.id
from shipment s
where s.shop_id = $1 and s.id < $5
  and ($2::text is null or s.carrier = $2) and ($3::text is null or s.milestone = $3)
  and ($4::text is null or s.health = $4)
order by s.id desc
limit $6

-- name: shipment_ids_of_number(shop_id, number, carrier, milestone, health, before, most)
-- Shipments with this tracking number, newest first. [index: shipment_number]
select s.id
from shipment s
where s.tracking_number = $2 and s.shop_id = $1 and s.id < $6
  and ($3::text is null or s.carrier = $3) and ($4::text is null or s.milestone = $4)
  and ($5::text is null or s.health = $5)
order by s.id desc
limit $7

-- name: shipment_ids_of_order(shop_id, reference, number, carrier, milestone, health, before, most)
-- Shipments of an order, newest first. [index: shipment_order]
select s.id
from customer_order o
join shipment s on s.order_id = o.id
where o.shop_id = $1 and o.reference = $2 and s.id < $7
  and ($3::text is null or s.tracking_number = $3) and ($4::text is null or s.carrier = $4)
  and ($5::text is null or s.milestone = $5) and ($6::text is null or s.health = $6)
order by s.id desc
limit $8

-- name: shipments(shop_id, ids)
-- All that is shown of these shipments, newest first.
select s.id, s.carrier, s.account, s.service, s.tracking_number, s.carrier_reference, s.direction, s.origin_country,
       s.destination_country, s.destination_postcode, s.shipped_at, s.promised_at, s.essential_date, s.items,
       s.customs, s.replaces_id, s.registered_at, s.milestone, s.status_detail, s.health, s.belief, s.expectation,
       s.undecided is not null as undecided, s.link_version, s.ended_at, s.version, p.code as shop,
       o.reference, o.placed_at, o.value_amount, o.value_currency, d.polled_at, d.next_poll_at,
       r.id as return_id, r.state as return_state,
       (select coalesce(jsonb_agg(jsonb_build_object('id', 'inc_' || i.id, 'category', i.category, 'cause', i.cause,
                                                     'state', i.state, 'severity', i.severity) order by i.id), '[]')
        from incident i
        where i.shipment_id = s.id and i.state not in ('closed', 'merged')) as incidents
from shipment s
join shop p on p.id = s.shop_id
join customer_order o on o.id = s.order_id
join schedule d on d.shipment_id = s.id
left join return_case r on r.shipment_id = s.id
where s.shop_id = $1 and s.id = any($2::bigint[])
order by s.id desc

-- name: owns_shipment(shop_id, shipment_id)
-- Whether a shipment is this shop's.
select exists (select 1 from shipment where id = $2 and shop_id = $1)

-- name: events(shipment_id, after, most)
-- A shipment's events in the order in which they came in, with withdrawn and corrected ones.
select id, key, variant, occurred_at, occurred_local, tz_certainty, precision, sequence, milestone, status_detail,
       category, cause, informational, code, text, city, country, postcode, source, observation_id, received_at,
       withdrawn_at
from event
where shipment_id = $1 and id > $2
order by id
limit $3

-- name: variants(shipment_id, keys)
-- Every variant of these events that was not withdrawn: the last in the order of the fold counts.
select id, key, variant, occurred_at, precision, sequence, milestone
from event
where shipment_id = $1 and key = any($2::text[]) and withdrawn_at is null

-- name: incident_ids(shop_id, state, category, closed, before, most)
-- Incidents of a shop, newest first; null filters nothing.
select id
from incident
where shop_id = $1 and id < $5 and ($2::text is null or state = $2) and ($3::text is null or category = $3)
  and ($4::boolean is null or (state in ('closed', 'merged')) = $4)
order by id desc
limit $6

-- name: open_incident_ids(shop_id, state, category, before, most)
-- Incidents of a shop that are not closed or merged, newest first. [index: incident_open]
select id
from incident
where shop_id = $1 and id < $4 and state not in ('closed', 'merged')
  and ($2::text is null or state = $2) and ($3::text is null or category = $3)
order by id desc
limit $5

-- name: incident_ids_of_shipment(shipment_id, state, category, closed, before, most)
-- Incidents of one shipment, newest first.
select id
from incident
where shipment_id = $1 and id < $5 and ($2::text is null or state = $2) and ($3::text is null or category = $3)
  and ($4::boolean is null or (state in ('closed', 'merged')) = $4)
order by id desc
limit $6

-- name: incidents(shop_id, ids)
-- These incidents, newest first.
select id, shipment_id, category, cause, signal, provenance, rule, rule_version, explanation, state, severity,
       responsible, reach, action_owner, action, action_until, action_otherwise, opened_at, changed_at, told_at,
       promised_update_at, next_moment_at, resolved_at, closed_at, closing_reason, reopened, merged_into, version,
       assignee_id, severity_by_staff, action_by_staff
from incident
where shop_id = $1 and id = any($2::bigint[])
order by id desc

-- name: timeline(incident_id)
-- What was done about an incident, oldest first. [index: incident_entry_incident]
select at, kind, actor, detail from incident_entry where incident_id = $1 order by id

-- name: findings(incident_id)
-- What an incident stands on or stood on, oldest first. [index: finding_incident]
select key, rule, rule_version, category, cause, signal, provenance, confidence, explanation, evidence, found_at,
       withdrawn_at, withdrawn_because
from finding
where incident_id = $1
order by id

-- name: notices_of_shipment(shop_id, shipment_id, before, most)
-- What the customer of a shipment is to be told, newest first. [index: notice_shipment]
select id, shipment_id, incident_id, kind, subject, state, state_because, because, facts, urgent, planned_at,
       valid_until, promised_update_at
from notice
where shop_id = $1 and shipment_id = $2 and id < $3
order by id desc
limit $4

-- name: notice(shop_id, id)
-- One notice.
select id, shipment_id, incident_id, kind, subject, state, state_because, because, facts, urgent, planned_at,
       valid_until, promised_update_at
from notice
where shop_id = $1 and id = $2

-- name: messages(notice_id)
-- A notice's messages without their text, each with the attempts to send it.
select m.id, m.channel, m.why, m.language, m.state, m.state_because, m.due_at, m.message_id, m.provider_reference,
       m.created_at, m.accepted_at,
       (select coalesce(jsonb_agg(jsonb_build_object('number', a.number, 'started_at', a.started_at,
                                                     'finished_at', a.finished_at, 'outcome', a.outcome)
                                  order by a.number), '[]')
        from attempt a
        where a.message_id = m.id) as attempts
from message m
where m.notice_id = $1
order by m.id

-- name: return_ids(shop_id, state, before, most)
-- Returns of a shop, newest first; null filters nothing.
select id
from return_case
where shop_id = $1 and id < $3 and ($2::text is null or state = $2)
order by id desc
limit $4

-- name: return_ids_of_shipment(shipment_id, state, before)
-- The return of one shipment.
select id from return_case where shipment_id = $1 and id < $3 and ($2::text is null or state = $2)

-- name: returns(shop_id, ids)
-- These returns, newest first.
select id, shipment_id, state, reason, opened_at, changed_at, settled_as, settled_at, replacement_id, version
from return_case
where shop_id = $1 and id = any($2::bigint[])
order by id desc

-- name: changes(shop_id, after, most)
-- What happened in a shop after a position of the feed. [index: change_shop]
select id, position, kind, at, shipment_id, incident_id, notice_id, return_id, detail
from change
where shop_id = $1 and position > $2
order by position
limit $3

-- name: first_unplaced()
-- The first change that waits for its position. [index: change_unplaced]
select id from change where position is null order by id limit 1

-- name: place_changes(most)
-- Gives committed changes their positions, in the order of their ids; only for whoever holds the sequencer's lock. [index: change_unplaced]
update change c
set position = p.position
from (
    select id, nextval('change_position_seq') as position
    from (select id from change where position is null order by id limit $1) unplaced
) p
where c.id = p.id
