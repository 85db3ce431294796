-- name: numbers(shop_id, number, reference, most)
-- A shop's parcels by their tracking number or by the reference of their order. [index: shipment_number]
(select id from shipment where tracking_number = $2 and shop_id = $1 limit $4)
union
(select p.id
 from customer_order r
 join shipment p on p.order_id = r.id
 where r.shop_id = $1 and r.reference = $3
 limit $4)

-- name: names(shop_id, words, most)
-- A shop's parcels by words of their customer's name, each from its beginning, accents or not. [index: contact_name]
select p.id
from (
    select id
    from contact
    where to_tsvector('simple', translate(lower(name), 'áàâäãåçéèêëíìîïñóòôöõúùûü', 'aaaaaaceeeeiiiinooooouuuu'))
              @@ to_tsquery('simple', translate(lower($2), 'áàâäãåçéèêëíìîïñóòôöõúùûü', 'aaaaaaceeeeiiiinooooouuuu'))
      and shop_id = $1
    limit $3) c
join shipment p on p.contact_id = c.id
limit $3

-- name: postcodes(shop_id, postcode, most)
-- A shop's parcels by the beginning of their postcode, in capitals without spaces. [index: shipment_postcode]
select id
from shipment
where shop_id = $1 and upper(replace(destination_postcode, ' ', '')) ~>=~ $2
  and upper(replace(destination_postcode, ' ', '')) ~<~ ($2 || chr(1114111))
limit $3

-- name: found(shop_id, ids, most)
-- What a search found, newest first.
select s.id, s.tracking_number, s.carrier, s.milestone, s.status_detail, s.health, o.reference as order_reference,
       s.destination_country, s.destination_postcode, s.contact_id, c.name, c.city
from shipment s
join customer_order o on o.id = s.order_id
join contact c on c.id = s.contact_id
where s.shop_id = $1 and s.id = any($2::bigint[])
order by s.id desc
limit $3
