-- name: holidays(countries)
-- Every holiday that is known of these countries.
select country, day from holiday where country = any($1::text[]) and region = ''

-- name: missing_years(countries, years)
-- Pairs of country and year whose holidays nobody has loaded.
select c.country, y.year
from unnest($1::text[]) as c (country)
cross join unnest($2::int[]) as y (year)
where not exists (select 1 from calendar_year k where k.country = c.country and k.year = y.year)

-- name: insert_holidays(countries, days, names)
-- Holidays of whole countries.
insert into holiday (country, day, name)
select * from unnest($1::text[], $2::date[], $3::text[])
on conflict do nothing

-- name: insert_years(countries, years)
-- These years of these countries are complete.
insert into calendar_year (country, year) select * from unnest($1::text[], $2::int[]) on conflict do nothing

-- name: known_countries()
-- Countries that have ever been shipped to or from.
select distinct country from calendar_year order by country
