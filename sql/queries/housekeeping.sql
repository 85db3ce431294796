-- name: begin(job, period, now, lease_seconds)
-- True for whoever may do this job of this period now: nobody has done it, and nobody is at it.
insert into once as held (job, period, begun_at, lease_until)
values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4::double precision))
on conflict (job, period) do update
set begun_at = excluded.begun_at, lease_until = excluded.lease_until
where held.done_at is null and held.lease_until < clock_timestamp()
returning true

-- name: done(job, period, now)
-- This job of this period is done, and nobody else need do it.
update once set done_at = $3 where job = $1 and period = $2

-- name: drop_old_periods(before)
-- Periods that began before this moment, whose time is long over.
delete from once where begun_at < $1

-- name: drop_old_idempotency()
-- Answers kept for repeats, after three days.
delete from idempotency where created_at < clock_timestamp() - interval '3 days'

-- name: drop_old_failures()
-- Failures to sign in that count no more.
delete from sign_in_failure where failed_at < clock_timestamp() - interval '1 day'

-- name: drop_old_sessions()
-- Sessions and one-time links that have been over for a month.
with links as (delete from staff_link where expires_at < clock_timestamp() - interval '30 days')
delete from staff_session where expires_at < clock_timestamp() - interval '30 days'
