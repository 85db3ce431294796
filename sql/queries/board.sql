-- name: frame(shop_id, most)
-- What every page shows: the shop's name and zone, and how much waits in its quarantine (counted up to `most`).
select s.name as shop, s.time_zone as zone, (
    select count(*)
    from (
        select from observation o
        where o.shop_id = s.id and o.problem is not null and o.settled_at is null
        limit $2) held
) as quarantined
from shop s
where s.id = $1

-- name: open_incidents(shop_id, newest, soon, most)
-- Of a shop's newest open incidents the weightiest, with how many there are, need the customer, and promise an update soon. [index: incident_open]
with held as (
    select i.*
    from (
        select id, shipment_id, category, cause, state, severity, action_owner, action, action_until, opened_at,
               next_moment_at, promised_update_at
        from incident
        where shop_id = $1 and state not in ('closed', 'merged')
        order by id desc
        limit $2) i
    where i.state <> 'resolved'
), counted as (
    select held.*, count(*) over () as open, count(*) filter (where action_owner = 'recipient') over () as on_customer,
           count(*) filter (where promised_update_at <= $3) over () as due_soon,
           array_position(array['low', 'medium', 'high', 'critical'], severity) as weight
    from held
    order by weight desc, promised_update_at, id
    limit $4
)
select i.*, s.tracking_number, s.carrier, s.destination_country, o.reference as order_reference, c.city
from counted i
join shipment s on s.id = i.shipment_id
join customer_order o on o.id = s.order_id
join contact c on c.id = s.contact_id
order by i.weight desc, i.promised_update_at, i.id

-- name: parcels(shop_id, before, milestone, health, carrier, look_at, most)
-- A shop's parcels below an id, newest first; of `look_at` of them those in this milestone and health and of this carrier, and how far the look went. [index: shipment_shop]
with looked_at as materialized (
    select id, milestone, health, carrier
    from shipment
    where shop_id = $1 and id < $2
    order by id desc
    limit $6
)
select s.id, s.carrier, s.tracking_number, s.direction, s.destination_country, s.destination_zone, s.milestone,
       s.status_detail, s.health, s.promised_at, s.belief, s.expectation, s.undecided is not null as is_undecided,
       o.reference as order_reference, c.city, e.last_id, e.looked_at
from (select min(id) as last_id, count(*) as looked_at from looked_at) e
left join lateral (
    select id
    from looked_at
    where ($3::text is null or milestone = $3) and ($4::text is null or health = $4)
      and ($5::text is null or carrier = $5)
    order by id desc
    limit $7) chosen on true
left join shipment s on s.id = chosen.id
left join customer_order o on o.id = s.order_id
left join contact c on c.id = s.contact_id
order by s.id desc

-- name: parcel_counts(shop_id, look_at)
-- How a shop's newest parcels fare, by milestone and health. [index: shipment_shop]
select milestone, health, count(*) as parcels
from (select milestone, health from shipment where shop_id = $1 order by id desc limit $2) newest
group by milestone, health

-- name: messages(shop_id, before, channel, state, look_at, most)
-- A shop's messages below an id, newest first; of `look_at` of them those of this channel and state, and how far the look went. [index: message_shop]
with looked_at as materialized (
    select id, channel, state
    from message
    where shop_id = $1 and id < $2
    order by id desc
    limit $5
)
select m.id, m.channel, m.language, m.state, m.state_because, m.due_at, m.attempts, m.subject, m.created_at,
       m.accepted_at, case when m.channel = 'sms' then substring(m.body from 1 for 700) end as opening,
       n.kind, n.shipment_id, n.facts->>'cause' as cause, n.facts->>'order_reference' as order_reference,
       case when m.channel = 'sms' then c.phone else c.email end as address, c.name, e.last_id, e.looked_at
from (select min(id) as last_id, count(*) as looked_at from looked_at) e
left join lateral (
    select id
    from looked_at
    where ($3::text is null or channel = $3) and ($4::text is null or state = $4)
    order by id desc
    limit $6) chosen on true
left join message m on m.id = chosen.id
left join notice n on n.id = m.notice_id
left join contact c on c.id = m.contact_id
order by m.id desc

-- name: accounts(shop_id, most)
-- A shop's accounts at carriers, without a shop those of all, with their budget and breaker, and when the next of their parcels is to be asked about. [index: schedule_next_poll]
select a.carrier, a.account, h.name as shop, a.calls_on, a.calls_today, a.failures, a.paused_until, a.paused_because,
       a.answered_at, d.next_poll_at
from carrier_account a
join shop h on h.id = a.shop_id
left join lateral (
    select next_poll_at
    from schedule
    where shop_id = a.shop_id and carrier = a.carrier and account = a.account and next_poll_at is not null
    order by next_poll_at
    limit 1) d on true
where $1::bigint is null or a.shop_id = $1
order by a.carrier, a.account, a.shop_id
limit $2

-- name: channels(shop_id)
-- What stands in the way of a shop's channels; one without a row has had no trouble.
select c.channel, h.name as shop, c.failures, c.paused_until, c.because, c.changed_at
from channel_state c
join shop h on h.id = c.shop_id
where c.shop_id = $1
order by c.channel
