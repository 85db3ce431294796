-- The house: shops, parcels and what carriers say of them, incidents, notices and their messages.
-- Times are given by the caller; leases alone use the database's clock. Everything lives in one schema, reached by search_path.

create table shop (
    id bigint generated always as identity primary key,
    code text not null unique,
    name text not null,
    country text not null,
    language text not null,
    time_zone text not null,
    sender_email text not null,
    reply_email text not null,
    phone text,
    website text,
    created_at timestamptz not null
);

-- Thresholds, cadences and quiet hours of a shop: the highest version is in force, older ones stay for the record.
create table business_settings (
    shop_id bigint not null references shop,
    version int not null,
    body jsonb not null,
    created_at timestamptz not null,
    created_by text not null,
    primary key (shop_id, version)
);

-- stop_sending keeps every message in; shadow plans and shows, and sends nothing.
create table switch (
    name text primary key check (name in ('stop_sending', 'shadow')),
    engaged boolean not null,
    changed_at timestamptz not null,
    changed_by text not null
);

create table api_key (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    key_id text not null unique,
    secret_hash bytea not null,
    label text not null,
    scopes text[] not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

create table partner (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    code text not null unique,
    name text not null,
    created_at timestamptz not null,
    disabled_at timestamptz
);

create table partner_secret (
    id bigint generated always as identity primary key,
    partner_id bigint not null references partner,
    secret bytea not null, -- AES-GCM; webhook secrets must be recoverable
    created_at timestamptz not null,
    expires_at timestamptz
);
create index partner_secret_partner on partner_secret (partner_id);

-- The key that all secrets and links of this schema stand on. It is wrapped with the master key, which is not in here.
create table data_key (
    id smallint primary key check (id = 1), -- there is one
    wrapped bytea not null, -- AES-GCM
    wrapped_by text not null, -- id of the master key, from which nothing of it can be read
    created_at timestamptz not null,
    wrapped_at timestamptz not null
);

-- Accounts that were given in the console: what a carrier, a mail relay or an SMS gateway knows the shop by. Accounts of
-- the configuration stand beside them and win.
create table account (
    shop_id bigint not null references shop,
    kind text not null check (kind in ('carrier', 'mail', 'sms')),
    code text not null, -- the carrier's code, else smtp or twilio
    name text not null, -- default, north
    sealed bytea not null, -- AES-GCM: its values as JSON
    changed_at timestamptz not null,
    changed_by text not null,
    primary key (shop_id, kind, code, name)
);

-- Links that open one thing for whoever holds them; only the token's hash is kept.
create table capability (
    token_hash bytea primary key,
    purpose text not null,
    shipment_id bigint not null,
    created_at timestamptz not null,
    revoked_at timestamptz
);

-- Working days: one row per holiday, loaded once per country and year.
create table calendar_year (
    country text not null,
    year int not null,
    primary key (country, year)
);
create table holiday (
    country text not null,
    region text not null default '',
    day date not null,
    name text not null,
    primary key (country, region, day)
);

create table customer_order (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    reference text not null,
    placed_at timestamptz,
    value_amount numeric(14, 2),
    value_currency text,
    destination_country text,
    items jsonb not null default '[]', -- what was ordered, against which stands what a parcel holds
    customs jsonb,
    unique (shop_id, reference)
);

-- Personal data stands here, in observation.raw and in message.body, and nowhere else.
create table contact (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    name text,
    email text,
    phone text, -- E.164
    language text not null,
    time_zone text not null,
    company text,
    street text,
    city text,
    erased_at timestamptz
);
create index contact_email on contact (shop_id, lower(email)) where email is not null;
create index contact_name on contact using gin (
    to_tsvector('simple', translate(lower(name), 'áàâäãåçéèêëíìîïñóòôöõúùûü', 'aaaaaaceeeeiiiinooooouuuu')))
    where name is not null;

create table shipment (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    order_id bigint not null references customer_order,
    contact_id bigint not null references contact,
    carrier text not null,
    account text not null,
    service text,
    tracking_number text not null,
    carrier_reference text,
    direction text not null,
    origin_country text not null,
    destination_country text not null,
    destination_postcode text,
    destination_zone text not null, -- IANA; where "the end of the promised day" is
    shipped_at timestamptz,
    promised_at timestamptz, -- a promised day is its end at the destination
    essential_date boolean not null default false,
    value_amount numeric(14, 2),
    value_currency text,
    items jsonb not null default '[]',
    customs jsonb,
    replaces_id bigint references shipment,
    registered_at timestamptz not null,
    milestone text not null default 'registered',
    status_detail text,
    health text not null default 'unknown',
    belief jsonb not null default '{}', -- the fold over all events: tracker/domain/shipment.py
    expectation jsonb not null default '{}', -- the carrier's estimate, first and current
    announced text[] not null default '{}', -- milestones the customer was told
    cured_at timestamptz, -- when the last trouble on its way passed
    undecided text, -- why rooms 4 to 6 failed on this shipment, until they succeed
    link_version int not null default 1, -- part of the customer's link: raising it makes a new one
    ended_at timestamptz, -- final: delivered, return settled, or ended and made good
    unwatched_at timestamptz, -- the shop looks after it itself from then on: nothing is asked, decided or said any more
    version int not null default 1,
    unique (shop_id, carrier, tracking_number, order_id)
) with (fillfactor = 80);
create index shipment_number on shipment (tracking_number, shop_id);
create index shipment_shop on shipment (shop_id, id);
create index shipment_contact on shipment (contact_id);
create index shipment_postcode on shipment (
    shop_id, upper(replace(destination_postcode, ' ', '')) text_pattern_ops) where destination_postcode is not null;
create index shipment_order on shipment (order_id);
create index shipment_undecided on shipment (shop_id, id) where undecided is not null;

-- Apart from shipment, because an indexed due column is never a HOT update.
create table schedule (
    shipment_id bigint primary key references shipment,
    shop_id bigint not null,
    carrier text not null,
    account text not null,
    next_poll_at timestamptz,
    poll_lease_until timestamptz, -- the database's clock
    poll_token bigint not null default 0, -- fencing: a claim that was overtaken may not write
    polled_at timestamptz,
    poll_failures int not null default 0,
    not_found_count int not null default 0,
    next_moment_at timestamptz
) with (fillfactor = 80);
create index schedule_next_poll on schedule (shop_id, carrier, account, next_poll_at) where next_poll_at is not null;
create index schedule_next_moment on schedule (next_moment_at) where next_moment_at is not null;

-- Budget and breaker of one account at one carrier, shared by all processes.
create table carrier_account (
    shop_id bigint not null references shop,
    carrier text not null,
    account text not null,
    calls_on date,
    calls_today int not null default 0,
    failures int not null default 0,
    paused_until timestamptz,
    paused_because text,
    answered_at timestamptz,
    next_turn_at timestamptz, -- the database's clock: carriers measure in real seconds
    primary key (shop_id, carrier, account)
);

create table observation (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    source text not null check (source in ('poll', 'push')),
    carrier text,
    account text,
    partner_id bigint references partner,
    push_id text, -- the sender's id of the delivery; the same news twice falls out by event key
    shipment_id bigint references shipment,
    received_at timestamptz not null,
    http_status int,
    content_type text,
    raw bytea, -- null when the answer said nothing new
    failure text, -- the carrier said no: a FailureKind
    problem text, -- we could not read it: quarantined until settled
    problem_path text,
    settled_at timestamptz
);
create index observation_quarantine on observation (shop_id, id) where problem is not null and settled_at is null;
create index observation_unread on observation (shipment_id) where problem is not null and settled_at is null;
create index observation_shipment on observation (shipment_id, id) where shipment_id is not null;

-- Events pushed for a number that no shipment has yet; they are taken up when it is registered.
create table unclaimed (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    carrier text not null,
    tracking_number text not null,
    observation_id bigint not null references observation,
    received_at timestamptz not null,
    report jsonb not null,
    claimed_by bigint references shipment
);
create index unclaimed_number on unclaimed (tracking_number, shop_id) where claimed_by is null;

create table event (
    id bigint generated always as identity primary key,
    shop_id bigint not null,
    shipment_id bigint not null references shipment,
    key text not null,
    variant text not null, -- digest of what bears on the state: the same key restated otherwise is kept beside
    occurred_at timestamptz,
    occurred_local text,
    tz_certainty text not null,
    precision smallint not null,
    sequence int not null,
    milestone text not null,
    status_detail text,
    category text,
    cause text,
    action_owner text,
    informational boolean not null,
    code text,
    text text,
    city text,
    country text,
    postcode text,
    observation_id bigint not null references observation,
    source text not null, -- poll or push: only a poll can show that a polled event was withdrawn
    received_at timestamptz not null,
    missing_since timestamptz, -- the first full answer that lacked it
    withdrawn_at timestamptz,
    unique (shipment_id, key, variant)
);

create table incident (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    shipment_id bigint not null references shipment,
    category text not null,
    cause text not null,
    signal text not null,
    provenance text not null,
    rule text not null,
    rule_version int not null,
    explanation text not null,
    state text not null,
    severity text not null,
    responsible text not null,
    reach text not null,
    action_owner text not null,
    action text not null,
    action_until timestamptz,
    action_otherwise text not null,
    opened_at timestamptz not null,
    changed_at timestamptz not null,
    told_at timestamptz, -- the customer was first told
    promised_update_at timestamptz, -- what we told the customer
    silent_updates int not null default 0,
    next_moment_at timestamptz,
    resolved_at timestamptz,
    closed_at timestamptz,
    closing_reason text,
    reopened int not null default 0,
    merged_into bigint references incident,
    version int not null default 1,
    handled text[] not null default '{}', -- findings that stood when staff resolved it: they open nothing again
    unique (shipment_id, category, cause),
    constraint nothing_open_without_a_next_moment check (state in ('closed', 'merged') or next_moment_at is not null)
);
create index incident_shop on incident (shop_id, id);
create index incident_urgency on incident (
    shop_id, array_position(array['critical', 'high', 'medium', 'low'], severity),
    coalesce(promised_update_at, 'infinity'), id) where state not in ('resolved', 'closed', 'merged');
create index incident_open on incident (shop_id, id) where state not in ('closed', 'merged');

create table finding (
    id bigint generated always as identity primary key,
    shop_id bigint not null,
    shipment_id bigint not null references shipment,
    incident_id bigint not null references incident,
    key text not null,
    rule text not null,
    rule_version int not null,
    category text not null,
    cause text not null,
    signal text not null,
    provenance text not null,
    confidence real not null,
    explanation text not null,
    evidence jsonb not null,
    found_at timestamptz not null,
    withdrawn_at timestamptz,
    withdrawn_because text
);
create unique index finding_standing on finding (shipment_id, key) where withdrawn_at is null;
create index finding_incident on finding (incident_id);

-- The timeline of an incident: what was done, by whom.
create table incident_entry (
    id bigint generated always as identity primary key,
    shop_id bigint not null,
    incident_id bigint not null references incident,
    at timestamptz not null,
    kind text not null,
    actor text not null,
    detail jsonb not null
);
create index incident_entry_incident on incident_entry (incident_id, id);

create table return_case (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    shipment_id bigint not null references shipment unique,
    state text not null,
    reason text not null,
    opened_at timestamptz not null,
    changed_at timestamptz not null,
    settled_as text,
    settled_at timestamptz,
    replacement_id bigint references shipment,
    version int not null default 1
);
create index return_shop on return_case (shop_id, id);
create index return_open on return_case (shop_id, id) where state not in ('settled', 'expired', 'refused');

create table notice (
    id bigint generated always as identity primary key,
    shop_id bigint not null references shop,
    shipment_id bigint not null references shipment,
    incident_id bigint references incident,
    contact_id bigint not null references contact,
    kind text not null,
    subject text not null, -- what it is about: a newer notice on the same subject supersedes unsent older ones
    key text not null, -- said once
    facts jsonb not null,
    state text not null, -- planned, sent, superseded, cancelled, failed, expired, shown
    state_because text,
    because jsonb not null, -- observation, event, rule and version that led here
    urgent boolean not null, -- passes quiet hours
    planned_at timestamptz not null,
    valid_until timestamptz,
    promised_update_at timestamptz,
    unique (shop_id, key)
) with (fillfactor = 90);
create index notice_shipment on notice (shipment_id, id);

create table message (
    id bigint generated always as identity primary key,
    shop_id bigint not null,
    notice_id bigint not null references notice,
    contact_id bigint not null references contact,
    channel text not null,
    why text not null, -- why on this channel, and why at this time
    language text,
    -- queued (with a lease: about to be sent), sending (an attempt is under way), then for good:
    -- accepted, failed, superseded, cancelled, expired, shown, unknown (it may have arrived, and is not sent again)
    state text not null,
    state_because text,
    due_at timestamptz,
    lease_until timestamptz, -- the database's clock
    lease_token bigint not null default 0, -- fencing: a sender that was overtaken may not write
    attempts int not null default 0,
    in_doubt_since timestamptz, -- an attempt ended without a clear answer: it may have been taken
    message_id text, -- RFC 5322, the same at every attempt
    subject text,
    body bytea, -- the rendered bytes that are sent and kept
    provider_reference text,
    created_at timestamptz not null,
    accepted_at timestamptz,
    unique (notice_id, channel)
) with (fillfactor = 80);
create index message_shop on message (shop_id, id);
create index message_due on message (channel, due_at) where state = 'queued';
create index message_sending on message (channel) where state = 'sending'; -- few; and a lease may be renewed in place

create table attempt (
    message_id bigint not null references message,
    number int not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    outcome text, -- null while under way, and for good if the sender died: then the outcome is ambiguous
    detail text,
    primary key (message_id, number)
) with (fillfactor = 80);

-- What stands in the way of a channel; a shop without a row has had no trouble on it.
create table channel_state (
    shop_id bigint not null references shop,
    channel text not null,
    failures int not null default 0, -- in a row, of the account or of the way, not of a recipient
    paused_until timestamptz,
    because text,
    changed_at timestamptz not null,
    primary key (shop_id, channel)
);

-- The feed to catch up with. Identity values are drawn before commit, so the position is given afterwards.
create table change (
    id bigint generated always as identity primary key,
    shop_id bigint not null,
    kind text not null,
    shipment_id bigint,
    incident_id bigint,
    notice_id bigint,
    return_id bigint,
    at timestamptz not null,
    detail jsonb not null,
    position bigint
);
create index change_unplaced on change (id) where position is null;
create unique index change_position on change (position) where position is not null;
create index change_shop on change (shop_id, position) where position is not null;
create sequence change_position_seq;

-- What must happen once per period is done by whoever holds its row; if they fall silent, somebody else does it.
create table once (
    job text not null,
    period text not null,
    begun_at timestamptz not null,
    lease_until timestamptz not null, -- the database's clock
    done_at timestamptz,
    primary key (job, period)
);

create table idempotency (
    api_key_id bigint not null references api_key,
    key text not null,
    fingerprint bytea not null,
    status int not null,
    body bytea not null,
    created_at timestamptz not null,
    primary key (api_key_id, key)
);
