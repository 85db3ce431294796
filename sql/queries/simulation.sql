-- name: unsettled()
-- True while a shipment is not final, an incident not closed, a return not settled or a message not sent.
select exists (select 1 from shipment where ended_at is null)
    or exists (select 1 from incident where state not in ('closed', 'merged'))
    or exists (select 1 from return_case where state not in ('settled', 'expired', 'refused'))
    or exists (select 1 from message where state in ('queued', 'sending'))

-- name: how_far()
-- How many shipments are at their end, and how many there are.
select count(*) filter (where ended_at is not null) as ended, count(*) as shipments from shipment

-- name: next_due()
-- When the clock has something to do next.
select least(
    (select min(next_poll_at) from schedule),
    (select min(next_moment_at) from schedule),
    (select min(due_at) from message where state = 'queued'))

-- name: final_milestones()
-- Shipments by where they ended.
select milestone, count(*) as count from shipment group by milestone order by milestone

-- name: incidents_by_kind()
-- Incidents by category and state.
select category, state, count(*) as count from incident group by category, state order by category, state

-- name: notices_by_kind()
-- Notices by kind, channel and language, with how many messages were accepted.
select n.kind, m.channel, coalesce(m.language, '') as language, count(*) as count
from notice n
join message m on m.notice_id = n.id
where m.state = 'accepted'
group by n.kind, m.channel, m.language
order by n.kind, m.channel, m.language

-- name: accepted_messages()
-- Every message that was accepted, with what it was about.
select m.id, m.channel, m.message_id, m.accepted_at, n.id as notice_id, n.shipment_id, n.incident_id, n.kind,
       n.promised_update_at, n.valid_until
from message m
join notice n on n.id = m.notice_id
where m.state = 'accepted'
order by m.accepted_at, m.id

-- name: shipments()
-- Every shipment as it ended.
select id, carrier, tracking_number, milestone, status_detail, ended_at, undecided from shipment order by id

-- name: incidents()
-- Every incident as it ended.
select id, shipment_id, category, cause, state, next_moment_at, told_at, resolved_at, closed_at
from incident order by id

-- name: open_ends()
-- Messages that reached no end, and what nobody could read.
select (select count(*) from message where state in ('queued', 'sending', 'unknown', 'failed')) as messages,
       (select count(*) from observation o left join shipment s on s.id = o.shipment_id
        where o.problem is not null and o.settled_at is null and s.ended_at is null) as quarantined,
       (select count(*) from unclaimed where claimed_by is null) as unclaimed
