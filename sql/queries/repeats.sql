-- name: reserve(api_key_id, key, fingerprint)
-- Claims an idempotency key for this transaction; a simultaneous call with the same key waits here for our commit. Gives nothing when it is taken.
insert into idempotency as held (api_key_id, key, fingerprint, status, body, created_at)
values ($1, $2, $3, 0, '', clock_timestamp())
on conflict (api_key_id, key) do update
set fingerprint = excluded.fingerprint, created_at = excluded.created_at
where held.created_at < clock_timestamp() - interval '3 days'
returning true

-- name: keep(api_key_id, key, status, body)
-- The answer, beside the effect that it speaks of.
update idempotency set status = $3, body = $4 where api_key_id = $1 and key = $2

-- name: find(api_key_id, key)
-- What was answered before.
select fingerprint, status, body from idempotency where api_key_id = $1 and key = $2
