-- name: queues(now)
-- How much waits in each queue, up to 10000, and since when.
with looked_at (queue, since) as (
    (select 'examinations', next_moment_at from schedule where next_moment_at <= $1 order by next_moment_at limit 10000)
    union all
    (select 'messages', due_at from message where state = 'queued' and due_at <= $1 order by due_at limit 10000)
    union all
    (select 'polls', d.next_poll_at
     from carrier_account a
     cross join lateral (
         select next_poll_at from schedule
         where shop_id = a.shop_id and carrier = a.carrier and account = a.account and next_poll_at <= $1
         order by next_poll_at
         limit 10000) d
     limit 10000)
    union all
    (select 'quarantine', received_at from observation
     where problem is not null and settled_at is null order by shop_id, id limit 10000)
    union all
    (select 'unclaimed_reports', received_at from unclaimed where claimed_by is null limit 10000)
    union all
    (select 'undecided_shipments', null from shipment where undecided is not null limit 10000)
)
select names.queue, count(l.queue) as rows, min(l.since) as oldest_at
from unnest(array['examinations', 'messages', 'quarantine', 'polls', 'unclaimed_reports', 'undecided_shipments'])
    as names (queue)
left join looked_at l using (queue)
group by names.queue

-- name: open_incidents()
-- Incidents that are not closed, by category.
select category, count(*) as rows
from incident
where state not in ('closed', 'merged')
group by category
