-- What people decide about an incident, and what no rule takes back: whose it is, how much it matters, who acts by when.

alter table incident add column assignee_id bigint references staff;
alter table incident add column severity_by_staff boolean not null default false;
alter table incident add column action_by_staff boolean not null default false;
create index incident_assignee on incident (assignee_id, id) where assignee_id is not null and state not in ('closed', 'merged');
