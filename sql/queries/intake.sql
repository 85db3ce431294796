-- name: known_events(shipment_ids, keys)
-- Which of these event keys a shipment already has, and in which variants.
select e.shipment_id, e.key, e.variant
from unnest($1::bigint[], $2::text[]) as c (shipment_id, key)
join event e on e.shipment_id = c.shipment_id and e.key = c.key

-- name: insert_observations(shop_ids, sources, carriers, accounts, partner_ids, push_ids, shipment_ids, received_at, statuses, content_types, raws, failures, problems, problem_paths)
-- Answers and pushes as received; ids come back in the order of the arrays.
insert into observation (
    shop_id, source, carrier, account, partner_id, push_id, shipment_id, received_at, http_status, content_type, raw,
    failure, problem, problem_path)
select *
from unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::timestamptz[],
    $9::int[], $10::text[], $11::bytea[], $12::text[], $13::text[], $14::text[])
returning id

-- name: insert_events(rows)
-- New events; the unique key lets a duplicate fall out even if two answers bring it at once.
insert into event (
    shop_id, shipment_id, key, variant, occurred_at, occurred_local, tz_certainty, precision, sequence, milestone,
    status_detail, category, cause, action_owner, informational, code, text, city, country, postcode, observation_id,
    source, received_at)
select shop_id, shipment_id, key, variant, occurred_at, occurred_local, tz_certainty, precision, sequence, milestone,
       status_detail, category, cause, action_owner, informational, code, text, city, country, postcode,
       observation_id, source, received_at
from jsonb_to_recordset($1::jsonb) as r (
    shop_id bigint, shipment_id bigint, key text, variant text, occurred_at timestamptz, occurred_local text,
    tz_certainty text, precision smallint, sequence int, milestone text, status_detail text, category text,
    cause text, action_owner text, informational boolean, code text, text text, city text, country text,
    postcode text, observation_id bigint, source text, received_at timestamptz)
on conflict do nothing

-- name: mark_missing(shipment_ids, seen, now, patience)
-- Polled events that a full answer lacks, or states otherwise: missing at first, withdrawn when a later answer lacks them too; seen again, they are back.
with judged as (
    select e.id, (e.shipment_id || ' ' || e.key || ' ' || e.variant = any($2::text[])) as is_seen
    from event e
    where e.shipment_id = any($1::bigint[]) and e.source = 'poll'
)
update event e
set missing_since = case when j.is_seen then null else coalesce(e.missing_since, $3) end,
    withdrawn_at = case when not j.is_seen and e.missing_since <= $3 - $4::interval then $3 end
from judged j
where e.id = j.id
  and case when j.is_seen then e.missing_since is not null or e.withdrawn_at is not null else e.withdrawn_at is null end
returning e.shipment_id, e.key, (e.withdrawn_at is not null) as is_withdrawn, j.is_seen

-- name: insert_unclaimed(rows)
-- Reports about numbers that no shipment has yet.
insert into unclaimed (shop_id, carrier, tracking_number, observation_id, received_at, report)
select shop_id, carrier, tracking_number, observation_id, received_at, report
from jsonb_to_recordset($1::jsonb) as r (
    shop_id bigint, carrier text, tracking_number text, observation_id bigint, received_at timestamptz, report jsonb)

-- name: claim_reports(shop_id, carrier, tracking_number, shipment_id)
-- Take up what was pushed for this number before it was registered. [index: unclaimed_number]
update unclaimed
set claimed_by = $4
where shop_id = $1 and carrier = $2 and tracking_number = $3 and claimed_by is null
returning observation_id, received_at, report

-- name: record_poll(ids, tokens, now, failures, not_found)
-- A poll that ended: the lease is given back if it is still ours, and its outcome is counted.
update schedule d
set poll_lease_until = null, polled_at = $3,
    poll_failures = case when r.failed then d.poll_failures + 1 else 0 end,
    not_found_count = case when r.not_found then d.not_found_count + 1 when r.failed then d.not_found_count else 0 end
from unnest($1::bigint[], $2::bigint[], $4::boolean[], $5::boolean[]) as r (id, token, failed, not_found)
where d.shipment_id = r.id and d.poll_token = r.token
returning d.shipment_id, d.not_found_count

-- name: postpone_polls(ids, tokens, until)
-- Nothing was learned (budget, breaker, carrier down): ask again then.
update schedule d
set poll_lease_until = null, next_poll_at = r.until
from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as r (id, token, until)
where d.shipment_id = r.id and d.poll_token = r.token

-- name: settle_unread(shipment_ids, now, newest)
-- A newer answer about these shipments: earlier ones that could not be read have nothing more to tell. [index: observation_unread]
update observation set settled_at = $2
where shipment_id = any($1::bigint[]) and problem is not null and settled_at is null and not id = any($3::bigint[])

-- name: lock_numbers(keys)
-- Registering and unknown pushes of one number take turns, so that neither misses the other.
select pg_advisory_xact_lock(k) from unnest($1::bigint[]) as k
