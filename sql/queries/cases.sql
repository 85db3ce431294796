-- name: find_numbers(shop_ids, carriers, numbers)
-- The shipment that each number speaks of: numbers are used again, so the newest that is still under way, else the newest. [index: shipment_number]
select distinct on (n.position) n.position, s.id
from unnest($1::bigint[], $2::text[], $3::text[]) with ordinality as n (shop_id, carrier, number, position)
join shipment s on s.tracking_number = n.number and s.shop_id = n.shop_id and s.carrier = n.carrier
order by n.position, (s.ended_at is null) desc, s.id desc

-- name: lock(ids)
-- Locks these shipments in key order; what is read of them comes after, so that it is no older than the lock.
select id from shipment where id = any($1::bigint[]) order by id for update

-- name: cases(ids)
-- The cases of shipments that are locked.
select s.id, s.shop_id, s.contact_id, s.carrier, s.tracking_number, s.direction, s.origin_country,
       s.destination_country, s.registered_at, s.promised_at, s.essential_date, s.value_amount, s.destination_zone,
       s.belief, s.expectation, s.health, s.announced, s.cured_at, s.ended_at, s.unwatched_at,
       s.undecided is not null as undecided, o.reference as order_reference, c.time_zone as customer_zone,
       d.not_found_count, d.poll_failures, r.id as return_id, r.state as return_state, r.reason as return_reason,
       r.opened_at as return_opened_at, r.changed_at as return_changed_at, r.settled_as, r.settled_at,
       r.replacement_id
from shipment s
join customer_order o on o.id = s.order_id
join contact c on c.id = s.contact_id
join schedule d on d.shipment_id = s.id
left join return_case r on r.shipment_id = s.id
where s.id = any($1::bigint[])
order by s.id

-- name: next_moment()
-- The earliest moment at which a shipment is to be looked at; null where there is none. [index: schedule_next_moment]
select min(next_moment_at) from schedule

-- name: due(now, most)
-- Shipments whose next moment has come, locked; those that another worker holds are left to it. [index: schedule_next_moment]
select s.id
from schedule d
join shipment s on s.id = d.shipment_id
where d.next_moment_at <= $1
order by d.next_moment_at
limit $2
for update of s skip locked

-- name: incidents(shipment_ids)
-- All incidents of these shipments, with ended ones, which the same cause would reopen.
select id, shipment_id, category, cause, signal, provenance, rule, rule_version, explanation, state, severity,
       responsible, reach, action_owner, action, action_until, action_otherwise, opened_at, changed_at, told_at,
       promised_update_at, silent_updates, next_moment_at, resolved_at, closed_at, closing_reason, reopened,
       merged_into, handled, version, assignee_id, severity_by_staff, action_by_staff
from incident
where shipment_id = any($1::bigint[])
order by id

-- name: settings(shop_ids)
-- The business settings in force of these shops.
select distinct on (shop_id) shop_id, version, body
from business_settings
where shop_id = any($1::bigint[])
order by shop_id, version desc

-- name: events(shipment_ids, most)
-- Every event of these shipments that the carrier has not withdrawn, for a fold from the beginning; of each up to `most`.
select e.*
from unnest($1::bigint[]) as s (id)
cross join lateral (
    select shipment_id, key, occurred_at, occurred_local, tz_certainty, precision, sequence, milestone, status_detail,
           category, cause, action_owner, informational, code, text, city, country, postcode
    from event
    where shipment_id = s.id and withdrawn_at is null
    limit $2
) e

-- name: save_shipments(rows)
-- What is now believed of each shipment.
update shipment s
set milestone = r.milestone, status_detail = r.status_detail, health = r.health, belief = r.belief,
    expectation = r.expectation, announced = string_to_array(r.announced, ' '), cured_at = r.cured_at,
    ended_at = r.ended_at, undecided = null, version = s.version + 1
from jsonb_to_recordset($1::jsonb) as r (
    id bigint, milestone text, status_detail text, health text, belief jsonb, expectation jsonb, announced text,
    cured_at timestamptz, ended_at timestamptz)
where s.id = r.id

-- name: save_schedules(ids, next_moments, next_polls, polled)
-- When each shipment is to be looked at again; only a poll moves the time of the next poll backwards.
update schedule d
set next_moment_at = r.next_moment_at,
    next_poll_at = case when r.polled then r.next_poll_at else least(d.next_poll_at, r.next_poll_at) end
from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::boolean[])
    as r (id, next_moment_at, next_poll_at, polled)
where d.shipment_id = r.id

-- name: mark_undecided(ids, reasons, retries)
-- Our own mistake kept these from being decided: their events are kept, and the clock tries again; no poll comes sooner.
with marked as (
    update shipment s set undecided = r.reason
    from unnest($1::bigint[], $2::text[], $3::timestamptz[]) as r (id, reason, retry_at)
    where s.id = r.id
    returning s.id, r.retry_at
)
update schedule d
set next_moment_at = m.retry_at, next_poll_at = greatest(d.next_poll_at, m.retry_at)
from marked m
where d.shipment_id = m.id

-- name: insert_incidents(rows)
-- New incidents; a cause that this shipment had before is an update, never a second row.
insert into incident (
    shop_id, shipment_id, category, cause, signal, provenance, rule, rule_version, explanation, state, severity,
    responsible, reach, action_owner, action, action_until, action_otherwise, opened_at, changed_at, told_at,
    promised_update_at, silent_updates, next_moment_at, resolved_at, closed_at, closing_reason, reopened)
select shop_id, shipment_id, category, cause, signal, provenance, rule, rule_version, explanation, state, severity,
       responsible, reach, action_owner, action, action_until, action_otherwise, opened_at, changed_at, told_at,
       promised_update_at, silent_updates, next_moment_at, resolved_at, closed_at, closing_reason, reopened
from jsonb_to_recordset($1::jsonb) as r (
    shop_id bigint, shipment_id bigint, category text, cause text, signal text, provenance text, rule text,
    rule_version int, explanation text, state text, severity text, responsible text, reach text, action_owner text,
    action text, action_until timestamptz, action_otherwise text, opened_at timestamptz, changed_at timestamptz,
    told_at timestamptz, promised_update_at timestamptz, silent_updates int, next_moment_at timestamptz,
    resolved_at timestamptz, closed_at timestamptz, closing_reason text, reopened int)
returning id, shipment_id, category, cause

-- name: update_incidents(rows)
-- Incidents after their steps.
update incident i
set category = r.category, cause = r.cause, signal = r.signal, provenance = r.provenance, rule = r.rule,
    rule_version = r.rule_version, explanation = r.explanation, state = r.state, severity = r.severity,
    responsible = r.responsible, reach = r.reach, action_owner = r.action_owner, action = r.action,
    action_until = r.action_until, action_otherwise = r.action_otherwise, changed_at = r.changed_at,
    told_at = r.told_at, promised_update_at = r.promised_update_at, silent_updates = r.silent_updates,
    next_moment_at = r.next_moment_at, resolved_at = r.resolved_at, closed_at = r.closed_at,
    closing_reason = r.closing_reason, reopened = r.reopened, merged_into = r.merged_into,
    handled = string_to_array(r.handled, e'\x1f'), assignee_id = r.assignee_id,
    severity_by_staff = r.severity_by_staff, action_by_staff = r.action_by_staff, version = i.version + 1
from jsonb_to_recordset($1::jsonb) as r (
    id bigint, category text, cause text, signal text, provenance text, rule text, rule_version int,
    explanation text, state text, severity text, responsible text, reach text, action_owner text, action text,
    action_until timestamptz, action_otherwise text, changed_at timestamptz, told_at timestamptz,
    promised_update_at timestamptz, silent_updates int, next_moment_at timestamptz, resolved_at timestamptz,
    closed_at timestamptz, closing_reason text, reopened int, merged_into bigint, handled text,
    assignee_id bigint, severity_by_staff boolean, action_by_staff boolean)
where i.id = r.id

-- name: withdraw_findings(shipment_ids, standing, now)
-- Findings that no longer stand; `standing` holds "shipment_id key" of those that do.
update finding
set withdrawn_at = $3, withdrawn_because = 'no longer true'
where shipment_id = any($1::bigint[]) and withdrawn_at is null
  and not (shipment_id || ' ' || key = any($2::text[]))

-- name: insert_findings(rows, now)
-- Findings as they are made, each with the incident that it opened or changed.
insert into finding (
    shop_id, shipment_id, incident_id, key, rule, rule_version, category, cause, signal, provenance, confidence,
    explanation, evidence, found_at)
select shop_id, shipment_id, incident_id, key, rule, rule_version, category, cause, signal, provenance, confidence,
       explanation, evidence, $2
from jsonb_to_recordset($1::jsonb) as r (
    shop_id bigint, shipment_id bigint, incident_id bigint, key text, rule text, rule_version int, category text,
    cause text, signal text, provenance text, confidence real, explanation text, evidence jsonb)
on conflict do nothing

-- name: insert_entries(rows, now)
-- What happened to incidents, for their timelines.
insert into incident_entry (shop_id, incident_id, at, kind, actor, detail)
select shop_id, incident_id, $2, kind, actor, detail
from jsonb_to_recordset($1::jsonb) as r (shop_id bigint, incident_id bigint, kind text, actor text, detail jsonb)

-- name: save_returns(rows)
-- Returns as they stand now.
insert into return_case as held (
    shop_id, shipment_id, state, reason, opened_at, changed_at, settled_as, settled_at, replacement_id)
select shop_id, shipment_id, state, reason, opened_at, changed_at, settled_as, settled_at, replacement_id
from jsonb_to_recordset($1::jsonb) as r (
    shop_id bigint, shipment_id bigint, state text, reason text, opened_at timestamptz, changed_at timestamptz,
    settled_as text, settled_at timestamptz, replacement_id bigint)
on conflict (shipment_id) do update
set state = excluded.state, changed_at = excluded.changed_at, settled_as = excluded.settled_as,
    settled_at = excluded.settled_at, replacement_id = excluded.replacement_id, version = held.version + 1

-- name: insert_changes(rows, now)
-- News for the feed; its position is given after the commit.
insert into change (shop_id, kind, shipment_id, incident_id, return_id, at, detail)
select shop_id, kind, shipment_id, incident_id, return_id, $2, detail
from jsonb_to_recordset($1::jsonb) as r (
    shop_id bigint, kind text, shipment_id bigint, incident_id bigint, return_id bigint, detail jsonb)
