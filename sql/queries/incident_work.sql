-- name: last_step(incident_id)
-- What was done last about an incident, notes apart. [index: incident_entry_incident]
select kind, actor, detail
from incident_entry
where incident_id = $1 and kind <> 'note'
order by id desc
limit 1
