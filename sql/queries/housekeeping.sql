-- name: once(job, period)
-- True for the one process that may do this job in this period.
insert into once (job, period) values ($1, $2) on conflict do nothing returning true

-- name: drop_old_passes()
-- Links and sessions of the board that are over.
delete from board_pass where expires_at < clock_timestamp()

-- name: drop_old_idempotency()
-- Answers kept for repeats, after three days.
delete from idempotency where created_at < clock_timestamp() - interval '3 days'
