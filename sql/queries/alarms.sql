-- name: pauses()
-- Accounts and channels that are left alone, of all shops.
select 'account' as kind, carrier || ' ' || account as name, failures, paused_until as until
from carrier_account
where paused_until is not null and failures > 0
union all
select 'channel', channel, failures, paused_until
from channel_state
where paused_until is not null and failures > 0

-- name: note(names, rows, ages, failures, now)
-- What starves now: begins, or goes on with newer numbers.
insert into alarm (name, rows, age, failures, began_at, seen_at)
select a.name, a.rows, a.age, a.failures, $5, $5
from unnest($1::text[], $2::bigint[], $3::interval[], $4::int[]) as a (name, rows, age, failures)
on conflict (name) where ended_at is null do update
set rows = excluded.rows, age = excluded.age, failures = excluded.failures, seen_at = excluded.seen_at

-- name: end_others(names, now)
-- What starves no more.
update alarm set ended_at = $2 where ended_at is null and not name = any($1::text[])

-- name: claim_untold(now)
-- What nobody was told of: its beginning, taken by one process at a time.
update alarm set told_at = $1
where id in (select id from alarm where told_at is null and ended_at is null order by id for update skip locked)
returning id, name, rows, age, failures, began_at

-- name: untell(ids)
-- Nobody could be told: tried again at the next look.
update alarm set told_at = null where id = any($1::bigint[])

-- name: newest(most)
-- What starves, and what did lately.
select name, rows, age, failures, began_at, ended_at from alarm order by ended_at is not null, id desc limit $1

-- name: drop_old(before)
-- What has long been over.
delete from alarm where ended_at < $1
