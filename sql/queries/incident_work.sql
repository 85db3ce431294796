-- name: last_step(incident_id)
-- What was done last about an incident, notes apart. [index: incident_entry_incident]
select kind, actor, detail
from incident_entry
where incident_id = $1 and kind <> 'note'
order by id desc
limit 1

-- name: role_in_shop(staff_id, shop_id)
-- What somebody is in a shop, as long as they are let in.
select r.role
from staff_role r
join staff p on p.id = r.staff_id and p.disabled_at is null
where r.staff_id = $1 and r.shop_id = $2
