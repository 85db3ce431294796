-- name: shop_id(code)
-- A shop by its code.
select id from shop where code = $1

-- name: ensure_shop(code, name, country, language, time_zone, sender_email, reply_email, phone, website, now)
-- A shop as it is made at the first start; one that is there already stays as it is.
insert into shop (code, name, country, language, time_zone, sender_email, reply_email, phone, website, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (code) do update set code = excluded.code
returning id

-- name: shop_details(id)
-- What customers read and answer to.
select name, country, language, time_zone, sender_email, reply_email, phone, website from shop where id = $1

-- name: set_shop(id, name, country, language, time_zone, sender_email, reply_email, phone, website)
-- The shop as it is from now on.
update shop
set name = $2, country = $3, language = $4, time_zone = $5, sender_email = $6, reply_email = $7, phone = $8, website = $9
where id = $1

-- name: shop(id)
-- What registration needs of a shop.
select id, country, language, time_zone from shop where id = $1

-- name: clock()
-- The database's clock, by which keys expire.
select clock_timestamp()

-- name: insert_key(shop_id, key_id, secret_hash, label, scopes, expires_at)
-- An API key; of its secret only a hash is kept.
insert into api_key (shop_id, key_id, secret_hash, label, scopes, expires_at, created_at)
values ($1, $2, $3, $4, $5, $6, clock_timestamp())
returning id

-- name: find_key(key_id)
-- A key that may be used now, and whether its use in this minute is still to be noted.
select k.id, k.shop_id, k.secret_hash, k.scopes, s.code as shop,
       k.last_used_at is null or k.last_used_at < clock_timestamp() - interval '1 minute' as is_use_unknown
from api_key k
join shop s on s.id = k.shop_id
where k.key_id = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())

-- name: note_use(id)
-- A key was used; whoever else is just noting that need not wait for it.
update api_key
set last_used_at = clock_timestamp()
where id = (select id from api_key where id = $1 for no key update skip locked)

-- name: keys(shop_id)
-- A shop's keys, the newest first.
select id, key_id as name, label, scopes, created_at, expires_at, last_used_at, revoked_at
from api_key
where shop_id = $1
order by id desc

-- name: lock_key(id)
-- Two people do not replace one key at once.
select id from api_key where id = $1 for no key update

-- name: expire_key(id, overlap)
-- A key that was replaced ends, unless it ends sooner.
update api_key set expires_at = least(expires_at, clock_timestamp() + $2::interval) where id = $1

-- name: revoke_key(id)
-- A key is accepted no more.
update api_key set revoked_at = clock_timestamp() where id = $1

-- name: insert_partner(shop_id, code, name)
-- Somebody who pushes to us.
insert into partner (shop_id, code, name, created_at) values ($1, $2, $3, clock_timestamp()) returning id

-- name: partner_id(code)
-- A partner that is not disabled.
select id from partner where code = $1 and disabled_at is null

-- name: partners(shop_id)
-- A shop's partners, each with how many of its secrets are valid now; those that are disabled come last.
select p.id, p.code, p.name, p.created_at, p.disabled_at, (
    select count(*) from partner_secret s
    where s.partner_id = p.id and (s.expires_at is null or s.expires_at > clock_timestamp())
) as secrets
from partner p
where p.shop_id = $1
order by p.disabled_at is not null, p.name, p.id

-- name: insert_secret(partner_id, secret)
-- A signing secret, encrypted.
insert into partner_secret (partner_id, secret, created_at) values ($1, $2, clock_timestamp())

-- name: expire_secrets(partner_id, overlap)
-- Older secrets end, unless they end sooner.
update partner_secret set expires_at = least(expires_at, clock_timestamp() + $2::interval) where partner_id = $1

-- name: find_partner(code)
-- A partner with each secret that is valid now, the newest first.
select p.id, p.shop_id, s.secret
from partner p
left join partner_secret s on s.partner_id = p.id and (s.expires_at is null or s.expires_at > clock_timestamp())
where p.code = $1 and p.disabled_at is null
order by s.id desc

-- name: turn_switch(name, engaged, by)
-- Engage or release a switch.
insert into switch (name, engaged, changed_at, changed_by) values ($1, $2, clock_timestamp(), $3)
on conflict (name) do update
set engaged = excluded.engaged, changed_at = excluded.changed_at, changed_by = excluded.changed_by

-- name: switches()
-- Both switches as they stand.
select name, engaged from switch
