-- name: add_staff(email, name)
-- Somebody new; no row where the address is known already.
insert into staff (email, name, created_at) values ($1, $2, clock_timestamp())
on conflict (email) do nothing
returning id

-- name: staff_by_email(email)
-- Somebody by their address.
select * from staff where email = $1

-- name: staff_by_id(id)
-- Somebody by their number.
select * from staff where id = $1

-- name: lock_staff(id)
-- Somebody, while their row is changed.
select * from staff where id = $1 for update

-- name: set_role(staff_id, shop_id, role, partner_id)
-- What they may do in a shop.
insert into staff_role (staff_id, shop_id, role, partner_id) values ($1, $2, $3, $4)
on conflict (staff_id, shop_id) do update set role = excluded.role, partner_id = excluded.partner_id

-- name: roles_of(staff_id)
-- The shops in which they may do something, the first one first.
select r.shop_id, s.code as shop, s.name as shop_name, r.role, r.partner_id
from staff_role r
join shop s on s.id = r.shop_id
where r.staff_id = $1
order by r.shop_id

-- name: people(shop_id)
-- Everybody of a shop.
select p.id, p.email, p.name, r.role, r.partner_id, p.created_at, p.disabled_at, p.password_hash is not null as has_password,
       p.second_factor_at is not null as has_second_factor, p.identity is not null as has_identity,
       (select max(seen_at) from staff_session where staff_id = p.id) as seen_at
from staff_role r
join staff p on p.id = r.staff_id
where r.shop_id = $1
order by p.disabled_at is not null, p.name, p.id

-- name: lock_admins(shop_id)
-- The admins of a shop who can get in, while one of them is changed: there must always be one.
select p.id
from staff_role r
join staff p on p.id = r.staff_id
where r.shop_id = $1 and r.role = 'admin' and p.disabled_at is null
order by p.id
for update of r, p

-- name: set_disabled(id, disabled)
-- Keep somebody out, or let them in again.
update staff set disabled_at = case when $2::boolean then clock_timestamp() end where id = $1

-- name: set_password(id, hash)
-- A new password.
update staff set password_hash = $2 where id = $1

-- name: set_profile(id, name, language, time_zone, scheme)
-- How somebody is called, and how they like to read.
update staff set name = $2, language = $3, time_zone = $4, scheme = $5 where id = $1

-- name: begin_second_factor(id, secret)
-- A second factor that is being set up; the one in use stays until the new one is confirmed.
update staff set second_factor = $2, second_factor_at = null, second_factor_step = 0 where id = $1

-- name: confirm_second_factor(id, step)
-- The second factor is in use from now on.
update staff set second_factor_at = clock_timestamp(), second_factor_step = $2 where id = $1

-- name: use_step(id, step)
-- A code works once: true for the first to use it, or a newer one.
update staff set second_factor_step = $2 where id = $1 and second_factor_step < $2 returning true

-- name: remove_second_factor(id)
-- No second factor any more.
update staff set second_factor = null, second_factor_at = null, second_factor_step = 0 where id = $1

-- name: forget_recovery_codes(staff_id)
-- Older recovery codes end when new ones are made.
delete from recovery_code where staff_id = $1

-- name: add_recovery_codes(staff_id, hashes)
-- Codes for the day when the second factor is lost.
insert into recovery_code (staff_id, code_hash) select $1, unnest($2::bytea[])

-- name: use_recovery_code(staff_id, hash)
-- True where the code was good; it works once.
update recovery_code set used_at = clock_timestamp() where staff_id = $1 and code_hash = $2 and used_at is null returning true

-- name: recovery_codes_left(staff_id)
-- How many recovery codes are unused.
select count(*) from recovery_code where staff_id = $1 and used_at is null

-- name: add_link(token_hash, staff_id, purpose, life)
-- A link that opens once; older ones of its purpose end.
with ended as (
    update staff_link set expires_at = clock_timestamp()
    where staff_id = $2 and purpose = $3 and used_at is null and expires_at > clock_timestamp()
)
insert into staff_link (token_hash, staff_id, purpose, created_at, expires_at)
values ($1, $2, $3, clock_timestamp(), clock_timestamp() + $4::interval)

-- name: link(token_hash, purpose)
-- Whose link this is, while it is good.
select p.id, p.email, p.name
from staff_link l
join staff p on p.id = l.staff_id
where l.token_hash = $1 and l.purpose = $2 and l.used_at is null and l.expires_at > clock_timestamp()
  and p.disabled_at is null

-- name: use_link(token_hash, purpose)
-- A link opens once.
update staff_link l set used_at = clock_timestamp()
from staff p
where l.token_hash = $1 and l.purpose = $2 and l.used_at is null and l.expires_at > clock_timestamp()
  and p.id = l.staff_id and p.disabled_at is null
returning l.staff_id

-- name: add_session(token_hash, staff_id, shop_id, complete, life, address_hash, browser)
-- A session begins.
insert into staff_session (
    token_hash, staff_id, shop_id, complete, address_hash, browser, created_at, seen_at, expires_at)
values ($1, $2, $3, $4, $6, $7, clock_timestamp(), clock_timestamp(), clock_timestamp() + $5::interval)
returning id

-- name: find_session(token_hash, idle)
-- Who holds a session, what they may do, and whether it is time to note that they were seen.
select s.id as session_id, s.staff_id, s.complete, s.shop_id, h.code as shop, h.name as shop_name,
       h.time_zone as shop_time_zone, h.language as shop_language,
       p.email, p.name, p.language, p.time_zone, p.scheme, r.role, r.partner_id,
       p.second_factor_at is not null as has_second_factor,
       s.seen_at < clock_timestamp() - interval '1 minute' as is_stale
from staff_session s
join staff p on p.id = s.staff_id and p.disabled_at is null
join staff_role r on r.staff_id = s.staff_id and r.shop_id = s.shop_id
join shop h on h.id = s.shop_id
where s.token_hash = $1 and s.revoked_at is null and s.expires_at > clock_timestamp()
  and s.seen_at > clock_timestamp() - $2::interval

-- name: touch_session(id)
-- Seen just now.
update staff_session set seen_at = clock_timestamp() where id = $1

-- name: rotate_session(id, token_hash, shop_id, complete, life)
-- The same session under a new token, since what it may do has changed.
update staff_session
set token_hash = $2, shop_id = $3, complete = $4, seen_at = clock_timestamp(),
    expires_at = clock_timestamp() + $5::interval
where id = $1 and revoked_at is null
returning id

-- name: sessions_of(staff_id)
-- Somebody's sessions that are still good, the newest first.
select id, browser, created_at, seen_at, expires_at
from staff_session
where staff_id = $1 and revoked_at is null and complete and expires_at > clock_timestamp()
order by seen_at desc

-- name: revoke_session(id, staff_id)
-- One session ends.
update staff_session set revoked_at = clock_timestamp() where id = $1 and staff_id = $2 and revoked_at is null returning id

-- name: revoke_sessions(staff_id, but)
-- All of somebody's sessions end, but for one.
update staff_session set revoked_at = clock_timestamp()
where staff_id = $1 and revoked_at is null and id is distinct from $2

-- name: failures(sources, window)
-- How often it has failed lately from these sources, and how long ago the last time was, in seconds.
select source, failures, extract(epoch from clock_timestamp() - failed_at)::double precision as ago
from sign_in_failure
where source = any($1::bytea[]) and failed_at > clock_timestamp() - $2::interval

-- name: note_failures(sources, window)
-- One more failure from each of these sources; after a quiet while they begin anew.
insert into sign_in_failure (source, failures, failed_at)
select source, 1, clock_timestamp() from unnest($1::bytea[]) as s (source) order by source
on conflict (source) do update
set failures = case when sign_in_failure.failed_at > clock_timestamp() - $2::interval then sign_in_failure.failures + 1 else 1 end,
    failed_at = clock_timestamp()

-- name: forgive(sources)
-- A success clears its own sources.
delete from sign_in_failure where source = any($1::bytea[])

-- name: epoch()
-- Seconds of the database's clock, for codes that live half a minute.
select extract(epoch from clock_timestamp())::double precision

-- name: person_to_enter(email)
-- Who an entry link is for: this person, else the admin who came first.
select p.id
from staff p
join staff_role r on r.staff_id = p.id
where p.disabled_at is null and case when $1::text is null then r.role = 'admin' else p.email = $1 end
order by p.id
limit 1

-- name: has_admin()
-- Whether anybody has ever been made admin.
select exists (select from staff_role where role = 'admin')

-- name: take_turn(key)
-- Of two first admins one is the first.
select pg_advisory_xact_lock($1)
