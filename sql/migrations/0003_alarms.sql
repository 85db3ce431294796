-- What the operators are told: a row for as long as something starves, and a while longer.
create table alarm (
    id bigint generated always as identity primary key,
    name text not null,
    rows bigint not null,
    age interval not null,
    failures int not null,
    began_at timestamptz not null,
    seen_at timestamptz not null,
    told_at timestamptz,
    ended_at timestamptz
);
create unique index alarm_open on alarm (name) where ended_at is null;
