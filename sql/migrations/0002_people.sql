-- People: staff with their roles and sessions, and the record of what they did. All times are the database's clock.

create table staff (
    id bigint generated always as identity primary key,
    email text not null unique, -- lower case
    name text not null,
    language text,
    time_zone text,
    scheme text, -- light or dark; null follows the machine
    password_hash text, -- argon2id; null for somebody who comes in by the shop's own log-in alone
    identity text unique, -- issuer and subject of the shop's own log-in
    second_factor bytea, -- AES-GCM
    second_factor_at timestamptz, -- confirmed; before that it is only being set up
    second_factor_step bigint not null default 0, -- the newest code that was used: each works once
    created_at timestamptz not null,
    disabled_at timestamptz
);

-- Who may do what in which shop; a partner's own people see that partner's pushes.
create table staff_role (
    staff_id bigint not null references staff,
    shop_id bigint not null references shop,
    role text not null check (role in ('viewer', 'agent', 'supervisor', 'admin', 'partner')),
    partner_id bigint references partner,
    primary key (staff_id, shop_id),
    check ((role = 'partner') = (partner_id is not null))
);

-- Filters of the queue that somebody keeps under a name.
create table saved_view (
    id bigint generated always as identity primary key,
    staff_id bigint not null references staff,
    shop_id bigint not null references shop,
    name text not null,
    query text not null,
    unique (staff_id, shop_id, name)
);

create table recovery_code (
    staff_id bigint not null references staff,
    code_hash bytea not null,
    used_at timestamptz,
    primary key (staff_id, code_hash)
);

-- Links that open the console once: an invitation to choose a password, or a way in that was asked for on the machine.
create table staff_link (
    token_hash bytea primary key,
    staff_id bigint not null references staff,
    purpose text not null check (purpose in ('invitation', 'entry')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);

-- Only hashes of tokens are kept. A session without its second factor opens nothing but the question for it.
create table staff_session (
    id bigint generated always as identity primary key,
    token_hash bytea not null unique,
    staff_id bigint not null references staff,
    shop_id bigint not null references shop,
    complete boolean not null,
    address_hash bytea,
    browser text,
    created_at timestamptz not null,
    seen_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index staff_session_staff on staff_session (staff_id) where revoked_at is null;

-- Failures to sign in, by who tried from where; rows are forgotten by the day's chores.
create table sign_in_failure (
    source bytea primary key, -- a keyed hash: neither address nor account can be read from it
    failures int not null,
    failed_at timestamptz not null
);

-- What people did, each row sealed to the one before. Rows are added and read, never changed.
create table audit (
    id bigint primary key,
    shop_id bigint,
    at timestamptz not null,
    actor text not null, -- staff:12, api_key:3, cli
    role text,
    action text not null, -- person.invited, personal_data.revealed
    object text, -- inc_12
    detail jsonb not null, -- before, after, reason; without personal data
    request_id text,
    address_hash bytea,
    hash bytea not null
);
create index audit_object on audit (object, id) where object is not null;
create index audit_actor on audit (actor, id);
