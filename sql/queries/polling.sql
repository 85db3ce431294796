-- name: accounts_due(now)
-- Accounts that have a poll due and are not paused.
select a.shop_id, a.carrier, a.account, a.failures
from carrier_account a
where (a.paused_until is null or a.paused_until <= $1)
  and exists (
      select 1 from schedule d
      where d.shop_id = a.shop_id and d.carrier = a.carrier and d.account = a.account and d.next_poll_at <= $1)

-- name: claim(shop_id, carrier, account, now, lease, most)
-- Take due polls of one account under a lease; the token tells a worker that was overtaken. [index: schedule_next_poll]
with due as (
    select shipment_id
    from schedule
    where shop_id = $1 and carrier = $2 and account = $3 and next_poll_at <= $4
      and (poll_lease_until is null or poll_lease_until < clock_timestamp())
    order by next_poll_at
    limit $6
    for update skip locked
), claimed as (
    update schedule d
    set poll_lease_until = clock_timestamp() + $5::interval, poll_token = d.poll_token + 1
    from due
    where d.shipment_id = due.shipment_id
    returning d.shipment_id, d.poll_token
)
select c.shipment_id, c.poll_token, s.tracking_number, s.carrier_reference, s.destination_country,
       s.destination_postcode, s.shipped_at
from claimed c
join shipment s on s.id = c.shipment_id

-- name: take_call(shop_id, carrier, account, today, calls_per_day, spacing)
-- One call of the account's day, and its turn in seconds from now; no row once the day's calls are spent.
update carrier_account
set calls_today = case when calls_on = $4 then calls_today else 0 end + 1, calls_on = $4,
    next_turn_at = greatest(next_turn_at, clock_timestamp()) + $6::interval
where shop_id = $1 and carrier = $2 and account = $3
  and ($5::int is null or case when calls_on = $4 then calls_today else 0 end < $5)
returning extract(epoch from next_turn_at - $6::interval - clock_timestamp())::double precision

-- name: answered(shop_id, carrier, account, now)
-- The carrier answered: its breaker is closed.
update carrier_account
set failures = 0, answered_at = $4, paused_until = null, paused_because = null
where shop_id = $1 and carrier = $2 and account = $3

-- name: pause(shop_id, carrier, account, now, until, because, breaker, shortest, longest)
-- The carrier is down, wants fewer calls or refuses our credentials: left alone until then, and after `breaker` failures in a row for longer each time.
update carrier_account
set failures = failures + 1, paused_because = $6,
    paused_until = case
        when failures < $7::int then $5::timestamptz
        else greatest($5, $4::timestamptz + least($8::interval * 2 ^ least(failures - $7, 16), $9::interval))
    end
where shop_id = $1 and carrier = $2 and account = $3
returning paused_until

-- name: rest(shop_id, carrier, account, until, because)
-- Nothing is wrong, but the account asks nothing more until then.
update carrier_account set paused_until = $4, paused_because = $5
where shop_id = $1 and carrier = $2 and account = $3
