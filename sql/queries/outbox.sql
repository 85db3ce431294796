-- name: recipients(contact_ids)
-- Where these contacts can be reached.
select id, email is not null as email, phone, time_zone, erased_at is not null as erased
from contact
where id = any($1::bigint[])

-- name: add_notices(shop_ids, shipment_ids, incident_ids, contact_ids, kinds, subjects, keys, facts, states, state_becauses, becauses, urgents, planned_ats, valid_untils, promised_update_ats)
-- Says each key once: what was said before falls out.
insert into notice (
    shop_id, shipment_id, incident_id, contact_id, kind, subject, key, facts,
    state, state_because, because, urgent, planned_at, valid_until, promised_update_at
)
select
    new.shop_id, new.shipment_id, new.incident_id, new.contact_id, new.kind, new.subject, new.key, new.facts,
    new.state, new.state_because, new.because, new.urgent, new.planned_at, new.valid_until, new.promised_update_at
from unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
    $9::text[], $10::text[], $11::jsonb[], $12::boolean[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[]
) with ordinality as new (
    shop_id, shipment_id, incident_id, contact_id, kind, subject, key, facts,
    state, state_because, because, urgent, planned_at, valid_until, promised_update_at, place
)
order by new.place
on conflict (shop_id, key) do nothing
returning id, shop_id, key

-- name: add_messages(notice_ids, channels, due_ats, whys, created_at)
-- Queues one message per notice and channel; a channel on which the notice already travels falls out.
insert into message (shop_id, notice_id, contact_id, channel, why, state, due_at, created_at)
select notice.shop_id, notice.id, notice.contact_id, new.channel, new.why, 'queued', new.due_at, $5
from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) as new (notice_id, channel, due_at, why)
join notice on notice.id = new.notice_id
on conflict (notice_id, channel) do nothing

-- name: older(notice_ids)
-- Notices that these overtake: the same shipment and subject, planned before, with something still unsent.
select distinct earlier.id
from notice
join notice earlier
    on earlier.shipment_id = notice.shipment_id and earlier.subject = notice.subject and earlier.id < notice.id
where notice.id = any($1::bigint[])
  and exists (select from message where message.notice_id = earlier.id and message.state in ('queued', 'sending'))

-- name: unsent(shipment_ids, subjects)
-- Notices of these pairs of shipment and subject (null: every subject) with something still unsent.
select distinct notice.id
from unnest($1::bigint[], $2::text[]) as wanted (shipment_id, subject)
join notice
    on notice.shipment_id = wanted.shipment_id
    and (wanted.subject is null or notice.subject = wanted.subject)
where exists (select from message where message.notice_id = notice.id and message.state in ('queued', 'sending'))

-- name: stop(notice_ids, state, because)
-- Holds back whatever of these notices no sender has begun; gives the notices of which nothing went out at all.
with waiting as materialized (
    select id, in_doubt_since is null as certainly_unsent
    from message
    where notice_id = any($1::bigint[]) and state = 'queued'
    order by id
    for update
), stopped as (
    update message
    set state = case when waiting.certainly_unsent then $2::text else 'unknown' end,
        state_because = $3, due_at = null, lease_until = null
    from waiting
    where message.id = waiting.id
)
update notice
set state = $2::text, state_because = $3
where notice.id = any($1::bigint[])
  and notice.state = 'planned'
  and not exists (
      select from message
      where message.notice_id = notice.id
        and message.state not in ('failed', 'expired', 'superseded', 'cancelled')
        and message.id not in (select id from waiting where certainly_unsent)
  )
returning notice.id, notice.shipment_id, notice.incident_id, notice.kind, notice.subject
