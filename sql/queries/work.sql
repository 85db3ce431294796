-- name: shipment_of_incident(incident_id, shop_id)
-- The shipment whose lock an incident's work needs.
select shipment_id from incident where id = $1 and shop_id = $2

-- name: shipment_of_return(return_id, shop_id)
-- The shipment whose lock a return's work needs.
select shipment_id from return_case where id = $1 and shop_id = $2

