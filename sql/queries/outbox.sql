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

-- name: tell_of_notices(ids, now)
-- For the feed of changes: what has just become of these notices.
insert into change (shop_id, kind, shipment_id, incident_id, notice_id, at, detail)
select shop_id, 'notice.' || state, shipment_id, incident_id, id, $2,
       jsonb_strip_nulls(jsonb_build_object('kind', kind, 'because', state_because))
from notice
where id = any($1::bigint[])
order by id

-- name: is_waiting(shop_id, notice_id)
-- Whether something of this notice is still to be begun; null for what is no notice of this shop.
select exists (select from message where message.notice_id = notice.id and message.state = 'queued')
from notice
where id = $2 and shop_id = $1

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

-- name: unheard(shipment_ids, subjects, kinds)
-- Subjects of shipments (of one kind of notice, null: of any) of which nothing went out, nor may have gone out.
select wanted.shipment_id, wanted.subject, wanted.kind
from unnest($1::bigint[], $2::text[], $3::text[]) as wanted (shipment_id, subject, kind)
where not exists (
    select from notice
    join message on message.notice_id = notice.id
    where notice.shipment_id = wanted.shipment_id
      and notice.subject = wanted.subject
      and (wanted.kind is null or notice.kind = wanted.kind)
      and (message.state in ('sending', 'accepted', 'unknown') or message.in_doubt_since is not null)
)

-- name: hold_back(notice_ids, because, now, state)
-- Holds back whatever of these notices no sender has begun, as superseded or cancelled; gives the notices of which nothing went out at all.
with waiting as materialized (
    select id, in_doubt_since is null as certainly_unsent
    from message
    where notice_id = any($1::bigint[]) and state = 'queued'
    order by id
    for update
), stopped as (
    update message
    set state = case when waiting.certainly_unsent then $4::text else 'unknown' end,
        state_because = $2, due_at = null, lease_until = null
    from waiting
    where message.id = waiting.id
    returning message.id, message.notice_id, message.channel, message.state, message.state_because
), told_of_messages as (
    insert into change (shop_id, kind, shipment_id, incident_id, notice_id, at, detail)
    select notice.shop_id, 'message.' || stopped.state, notice.shipment_id, notice.incident_id, notice.id, $3::timestamptz,
           jsonb_build_object('message', 'msg_' || stopped.id, 'channel', stopped.channel, 'because', stopped.state_because)
    from stopped
    join notice on notice.id = stopped.notice_id
    order by stopped.id
), unheard as (
    update notice
    set state = $4::text, state_because = $2
    where notice.id = any($1::bigint[])
      and notice.state = 'planned'
      and not exists (
          select from message
          where message.notice_id = notice.id
            and message.state not in ('failed', 'expired', 'superseded', 'cancelled')
            and message.id not in (select id from waiting where certainly_unsent)
      )
    returning notice.id, notice.shop_id, notice.shipment_id, notice.incident_id, notice.kind, notice.subject
), told_of_notices as (
    insert into change (shop_id, kind, shipment_id, incident_id, notice_id, at, detail)
    select shop_id, 'notice.' || $4::text, shipment_id, incident_id, id, $3::timestamptz,
           jsonb_build_object('kind', kind, 'because', $2::text)
    from unheard
    order by id
)
select id, shipment_id, incident_id, kind, subject from unheard order by id

-- name: claim(channel, now, lease_seconds, most)
-- Takes due messages of one channel for a while; whoever holds the newest token may write. [index: message_due]
with due as materialized (
    select id
    from message
    where channel = $1 and state = 'queued' and due_at <= $2
      and (lease_until is null or lease_until < clock_timestamp())
      and not exists (select from switch where name = 'stop_sending' and engaged)
    order by due_at
    limit $4
    for update skip locked
), claimed as (
    update message
    set lease_until = clock_timestamp() + make_interval(secs => $3::double precision), lease_token = lease_token + 1
    from due
    where message.id = due.id
    returning message.*
)
select
    claimed.id, claimed.lease_token, claimed.attempts, claimed.in_doubt_since, claimed.created_at, claimed.due_at,
    claimed.language, claimed.subject, claimed.message_id, claimed.body,
    notice.id as notice_id, notice.state as notice_state, notice.kind, notice.key, notice.urgent, notice.valid_until,
    notice.planned_at, notice.incident_id, notice.shipment_id,
    case when claimed.body is null then notice.facts end as facts,
    shipment.link_version,
    contact.name, contact.email, contact.phone, contact.language as contact_language, contact.time_zone,
    contact.erased_at is not null as erased,
    shop.id as shop_id, shop.code as shop_code, shop.name as shop_name, shop.language as shop_language,
    shop.sender_email, shop.reply_email, shop.phone as shop_phone, shop.website,
    coalesce(channel_state.failures, 0) as failures, channel_state.paused_until,
    exists (select from switch where switch.name = 'shadow' and switch.engaged) as shadow
from claimed
join notice on notice.id = claimed.notice_id
join shipment on shipment.id = notice.shipment_id
join contact on contact.id = claimed.contact_id
join shop on shop.id = claimed.shop_id
left join channel_state on channel_state.shop_id = claimed.shop_id and channel_state.channel = claimed.channel
order by claimed.due_at, claimed.id

-- name: conversations(notice_ids, channel)
-- What was already sent on this channel about the incidents of these notices, oldest first.
select
    notice.id as notice_id,
    array_agg(message.message_id order by message.id) as message_ids,
    (array_agg(message.subject order by message.id))[1] as subject,
    (array_agg(message.language order by message.id))[1] as language
from notice
join notice earlier
    on earlier.shipment_id = notice.shipment_id and earlier.incident_id = notice.incident_id and earlier.id < notice.id
join message
    on message.notice_id = earlier.id
    and message.channel = $2
    and message.state in ('sending', 'accepted', 'unknown')
    and message.message_id is not null
where notice.id = any($1::bigint[])
group by notice.id

-- name: begin(ids, tokens, languages, subjects, message_ids, bodies, now)
-- Keeps what was rendered and notes the attempt; gives those that may now be sent, since nothing stopped them meanwhile.
with wanted as (
    select *
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[])
        as wanted (id, token, language, subject, message_id, body)
), ready as materialized (
    select message.id
    from wanted
    join message on message.id = wanted.id and message.lease_token = wanted.token and message.state = 'queued'
    join contact on contact.id = message.contact_id and contact.erased_at is null
    where not exists (select from switch where engaged and name in ('stop_sending', 'shadow'))
    order by message.id
    for update of message
), begun as (
    update message
    set state = 'sending',
        attempts = message.attempts + 1,
        language = coalesce(message.language, wanted.language),
        subject = coalesce(message.subject, wanted.subject),
        message_id = coalesce(message.message_id, wanted.message_id),
        body = coalesce(message.body, wanted.body)
    from wanted
    join ready on ready.id = wanted.id
    where message.id = wanted.id
    returning message.id, message.attempts
), noted as (
    insert into attempt (message_id, number, started_at)
    select id, attempts, $7::timestamptz from begun
)
select id, attempts from begun

-- name: record(ids, tokens, states, becauses, due_ats, provider_references, doubts, numbers, outcomes, details, now)
-- Writes what became of messages and of the attempts at them, unless somebody else holds them by now.
with outcome as (
    select *
    from unnest(
        $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::timestamptz[],
        $8::int[], $9::text[], $10::text[]
    ) as outcome (id, token, state, because, due_at, provider_reference, in_doubt_since, number, outcome, detail)
), held as materialized (
    select message.id, message.state as was
    from outcome
    join message
        on message.id = outcome.id
        and message.lease_token = outcome.token
        and message.state in ('queued', 'sending')
    order by message.id
    for update of message
), written as (
    update message
    set state = outcome.state,
        state_because = outcome.because,
        due_at = outcome.due_at,
        lease_until = null,
        provider_reference = coalesce(outcome.provider_reference, message.provider_reference),
        in_doubt_since = coalesce(message.in_doubt_since, outcome.in_doubt_since),
        accepted_at = case when outcome.state = 'accepted' then $11::timestamptz end
    from outcome
    join held on held.id = outcome.id
    where message.id = outcome.id
    returning message.id, message.notice_id, message.channel, message.state, message.state_because
), told as (
    insert into change (shop_id, kind, shipment_id, incident_id, notice_id, at, detail)
    select notice.shop_id, 'message.' || case written.state when 'queued' then 'delayed' else written.state end,
           notice.shipment_id, notice.incident_id, notice.id, $11::timestamptz,
           jsonb_strip_nulls(jsonb_build_object(
               'message', 'msg_' || written.id, 'channel', written.channel, 'because', written.state_because,
               'attempt', outcome.number, 'outcome', outcome.outcome))
    from written
    join held on held.id = written.id
    join outcome on outcome.id = written.id
    join notice on notice.id = written.notice_id
    where written.state <> 'queued' or held.was = 'sending' -- what goes on waiting is no news
), ended as (
    update attempt
    set finished_at = $11, outcome = outcome.outcome, detail = outcome.detail
    from outcome
    join held on held.id = outcome.id
    where attempt.message_id = outcome.id and attempt.number = outcome.number
)
update notice
set state = 'sent', state_because = null
from written
where notice.id = written.notice_id and written.state = 'accepted' and notice.state <> 'sent'

-- name: settle(notice_ids)
-- Notices of which no message is on its way any more: told (or perhaps told), expired or failed.
update notice
set state = case
        when ended.perhaps_told then 'sent'
        when ended.expired then 'expired'
        else 'failed'
    end,
    state_because = ended.because
from (
    select
        notice_id,
        bool_or(state = 'unknown') as perhaps_told,
        bool_or(state = 'expired') as expired,
        max(state_because) as because
    from message
    where notice_id = any($1::bigint[])
    group by notice_id
    having not bool_or(state in ('queued', 'sending', 'accepted', 'shown'))
) as ended
where notice.id = ended.notice_id and notice.state = 'planned'
returning notice.id, notice.state

-- name: show(ids, tokens, languages, subjects, message_ids, bodies, now)
-- Shadow mode: keeps what would have been sent, for everybody to see, and sends nothing.
with wanted as (
    select *
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[])
        as wanted (id, token, language, subject, message_id, body)
), shown as (
    update message
    set state = 'shown',
        state_because = 'shadow mode sends nothing',
        due_at = null,
        lease_until = null,
        language = coalesce(message.language, wanted.language),
        subject = coalesce(message.subject, wanted.subject),
        message_id = coalesce(message.message_id, wanted.message_id),
        body = coalesce(message.body, wanted.body)
    from wanted
    where message.id = wanted.id and message.lease_token = wanted.token and message.state = 'queued'
    returning message.id, message.notice_id, message.channel, message.state_because
), told as (
    insert into change (shop_id, kind, shipment_id, incident_id, notice_id, at, detail)
    select notice.shop_id, 'message.shown', notice.shipment_id, notice.incident_id, notice.id, $7::timestamptz,
           jsonb_build_object('message', 'msg_' || shown.id, 'channel', shown.channel, 'because', shown.state_because)
    from shown
    join notice on notice.id = shown.notice_id
    order by shown.id
)
update notice
set state = 'shown', state_because = 'shadow mode sends nothing'
from shown
where notice.id = shown.notice_id and notice.state = 'planned'

-- name: rescue(channel, lease_seconds, most)
-- Takes over messages whose sender fell silent in the middle of an attempt: they may have been sent. [index: message_sending]
with lapsed as materialized (
    select id
    from message
    where state = 'sending' and lease_until < clock_timestamp() and channel = $1
    order by lease_until
    limit $3
    for update skip locked
), taken as (
    update message
    set lease_until = clock_timestamp() + make_interval(secs => $2::double precision), lease_token = lease_token + 1
    from lapsed
    where message.id = lapsed.id
    returning message.id, message.lease_token, message.attempts, message.in_doubt_since, message.created_at,
        message.notice_id, message.shop_id, message.contact_id
)
select
    taken.id, taken.lease_token, taken.attempts, taken.in_doubt_since, taken.created_at, taken.notice_id, taken.shop_id,
    attempt.started_at,
    notice.state as notice_state, notice.urgent, notice.valid_until,
    contact.name, contact.email, contact.phone, contact.language as contact_language, contact.time_zone,
    contact.erased_at is not null as erased
from taken
join attempt on attempt.message_id = taken.id and attempt.number = taken.attempts
join notice on notice.id = taken.notice_id
join contact on contact.id = taken.contact_id

-- name: renew(ids, tokens, lease_seconds)
-- A living sender keeps what it holds.
update message
set lease_until = clock_timestamp() + make_interval(secs => $3::double precision)
from unnest($1::bigint[], $2::bigint[]) as held (id, token)
where message.id = held.id and message.lease_token = held.token and message.state in ('queued', 'sending')

-- name: release(ids, tokens)
-- Gives back what was claimed and not begun.
update message
set lease_until = null
from unnest($1::bigint[], $2::bigint[]) as held (id, token)
where message.id = held.id and message.lease_token = held.token and message.state = 'queued'

-- name: set_channel_states(shop_ids, channel, failures, paused_untils, becauses, now)
-- What stands in the way of a channel, per shop.
insert into channel_state (shop_id, channel, failures, paused_until, because, changed_at)
select new.shop_id, $2, new.failures, new.paused_until, new.because, $6
from unnest($1::bigint[], $3::int[], $4::timestamptz[], $5::text[]) as new (shop_id, failures, paused_until, because)
on conflict (shop_id, channel) do update
set failures = excluded.failures,
    paused_until = excluded.paused_until,
    because = excluded.because,
    changed_at = excluded.changed_at
