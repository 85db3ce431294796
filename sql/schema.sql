-- The schema that the migrations make, printed by `make schema`; change it with a new migration.

CREATE TABLE account (
    shop_id bigint NOT NULL,
    kind text NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    sealed bytea NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL,
    CONSTRAINT account_kind_check CHECK ((kind = ANY (ARRAY['carrier'::text, 'mail'::text, 'sms'::text])))
);

CREATE TABLE alarm (
    id bigint NOT NULL,
    name text NOT NULL,
    rows bigint NOT NULL,
    age interval NOT NULL,
    failures integer NOT NULL,
    began_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    told_at timestamp with time zone,
    ended_at timestamp with time zone
);

ALTER TABLE alarm ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE api_key (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    key_id text NOT NULL,
    secret_hash bytea NOT NULL,
    label text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);

ALTER TABLE api_key ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE attempt (
    message_id bigint NOT NULL,
    number integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    outcome text,
    detail text
)
WITH (fillfactor='80');

CREATE TABLE audit (
    id bigint NOT NULL,
    shop_id bigint,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    role text,
    action text NOT NULL,
    object text,
    detail jsonb NOT NULL,
    request_id text,
    address_hash bytea,
    hash bytea NOT NULL
);

CREATE TABLE business_settings (
    shop_id bigint NOT NULL,
    version integer NOT NULL,
    body jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL
);

CREATE TABLE calendar_year (
    country text NOT NULL,
    year integer NOT NULL
);

CREATE TABLE capability (
    token_hash bytea NOT NULL,
    purpose text NOT NULL,
    shipment_id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);

CREATE TABLE carrier_account (
    shop_id bigint NOT NULL,
    carrier text NOT NULL,
    account text NOT NULL,
    calls_on date,
    calls_today integer DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    paused_until timestamp with time zone,
    paused_because text,
    answered_at timestamp with time zone,
    next_turn_at timestamp with time zone
);

CREATE TABLE change (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    kind text NOT NULL,
    shipment_id bigint,
    incident_id bigint,
    notice_id bigint,
    return_id bigint,
    at timestamp with time zone NOT NULL,
    detail jsonb NOT NULL,
    "position" bigint
);

ALTER TABLE change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
CREATE SEQUENCE change_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE channel_state (
    shop_id bigint NOT NULL,
    channel text NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    paused_until timestamp with time zone,
    because text,
    changed_at timestamp with time zone NOT NULL
);

CREATE TABLE contact (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    name text,
    email text,
    phone text,
    language text NOT NULL,
    time_zone text NOT NULL,
    company text,
    street text,
    city text,
    erased_at timestamp with time zone
);

ALTER TABLE contact ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE customer_order (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    reference text NOT NULL,
    placed_at timestamp with time zone,
    value_amount numeric(14,2),
    value_currency text,
    destination_country text,
    items jsonb DEFAULT '[]'::jsonb NOT NULL,
    customs jsonb
);

ALTER TABLE customer_order ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE data_key (
    id smallint NOT NULL,
    wrapped bytea NOT NULL,
    wrapped_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    wrapped_at timestamp with time zone NOT NULL,
    CONSTRAINT data_key_id_check CHECK ((id = 1))
);

CREATE TABLE event (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    shipment_id bigint NOT NULL,
    key text NOT NULL,
    variant text NOT NULL,
    occurred_at timestamp with time zone,
    occurred_local text,
    tz_certainty text NOT NULL,
    "precision" smallint NOT NULL,
    sequence integer NOT NULL,
    milestone text NOT NULL,
    status_detail text,
    category text,
    cause text,
    action_owner text,
    informational boolean NOT NULL,
    code text,
    text text,
    city text,
    country text,
    postcode text,
    observation_id bigint NOT NULL,
    source text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    missing_since timestamp with time zone,
    withdrawn_at timestamp with time zone
);

ALTER TABLE event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE finding (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    shipment_id bigint NOT NULL,
    incident_id bigint NOT NULL,
    key text NOT NULL,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    category text NOT NULL,
    cause text NOT NULL,
    signal text NOT NULL,
    provenance text NOT NULL,
    confidence real NOT NULL,
    explanation text NOT NULL,
    evidence jsonb NOT NULL,
    found_at timestamp with time zone NOT NULL,
    withdrawn_at timestamp with time zone,
    withdrawn_because text
);

ALTER TABLE finding ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE holiday (
    country text NOT NULL,
    region text DEFAULT ''::text NOT NULL,
    day date NOT NULL,
    name text NOT NULL
);

CREATE TABLE idempotency (
    api_key_id bigint NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE incident (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    shipment_id bigint NOT NULL,
    category text NOT NULL,
    cause text NOT NULL,
    signal text NOT NULL,
    provenance text NOT NULL,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    explanation text NOT NULL,
    state text NOT NULL,
    severity text NOT NULL,
    responsible text NOT NULL,
    reach text NOT NULL,
    action_owner text NOT NULL,
    action text NOT NULL,
    action_until timestamp with time zone,
    action_otherwise text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    told_at timestamp with time zone,
    promised_update_at timestamp with time zone,
    silent_updates integer DEFAULT 0 NOT NULL,
    next_moment_at timestamp with time zone,
    resolved_at timestamp with time zone,
    closed_at timestamp with time zone,
    closing_reason text,
    reopened integer DEFAULT 0 NOT NULL,
    merged_into bigint,
    version integer DEFAULT 1 NOT NULL,
    handled text[] DEFAULT '{}'::text[] NOT NULL,
    assignee_id bigint,
    severity_by_staff boolean DEFAULT false NOT NULL,
    action_by_staff boolean DEFAULT false NOT NULL,
    CONSTRAINT nothing_open_without_a_next_moment CHECK (((state = ANY (ARRAY['closed'::text, 'merged'::text])) OR (next_moment_at IS NOT NULL)))
);

CREATE TABLE incident_entry (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    incident_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    detail jsonb NOT NULL
);

ALTER TABLE incident_entry ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE incident ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE message (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    notice_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    channel text NOT NULL,
    why text NOT NULL,
    language text,
    state text NOT NULL,
    state_because text,
    due_at timestamp with time zone,
    lease_until timestamp with time zone,
    lease_token bigint DEFAULT 0 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    in_doubt_since timestamp with time zone,
    message_id text,
    subject text,
    body bytea,
    provider_reference text,
    created_at timestamp with time zone NOT NULL,
    accepted_at timestamp with time zone
)
WITH (fillfactor='80');
ALTER TABLE message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE migration (
    number integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE notice (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    shipment_id bigint NOT NULL,
    incident_id bigint,
    contact_id bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    key text NOT NULL,
    facts jsonb NOT NULL,
    state text NOT NULL,
    state_because text,
    because jsonb NOT NULL,
    urgent boolean NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    valid_until timestamp with time zone,
    promised_update_at timestamp with time zone
)
WITH (fillfactor='90');
ALTER TABLE notice ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE observation (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    source text NOT NULL,
    carrier text,
    account text,
    partner_id bigint,
    push_id text,
    shipment_id bigint,
    received_at timestamp with time zone NOT NULL,
    http_status integer,
    content_type text,
    raw bytea,
    failure text,
    problem text,
    problem_path text,
    settled_at timestamp with time zone,
    CONSTRAINT observation_source_check CHECK ((source = ANY (ARRAY['poll'::text, 'push'::text])))
);

ALTER TABLE observation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE once (
    job text NOT NULL,
    period text NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    done_at timestamp with time zone
);

CREATE TABLE partner (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone
);

ALTER TABLE partner ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE partner_secret (
    id bigint NOT NULL,
    partner_id bigint NOT NULL,
    secret bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone
);

ALTER TABLE partner_secret ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE recovery_code (
    staff_id bigint NOT NULL,
    code_hash bytea NOT NULL,
    used_at timestamp with time zone
);

CREATE TABLE return_case (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    shipment_id bigint NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    settled_as text,
    settled_at timestamp with time zone,
    replacement_id bigint,
    version integer DEFAULT 1 NOT NULL
);

ALTER TABLE return_case ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE saved_view (
    id bigint NOT NULL,
    staff_id bigint NOT NULL,
    shop_id bigint NOT NULL,
    name text NOT NULL,
    query text NOT NULL
);

ALTER TABLE saved_view ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE schedule (
    shipment_id bigint NOT NULL,
    shop_id bigint NOT NULL,
    carrier text NOT NULL,
    account text NOT NULL,
    next_poll_at timestamp with time zone,
    poll_lease_until timestamp with time zone,
    poll_token bigint DEFAULT 0 NOT NULL,
    polled_at timestamp with time zone,
    poll_failures integer DEFAULT 0 NOT NULL,
    not_found_count integer DEFAULT 0 NOT NULL,
    next_moment_at timestamp with time zone
)
WITH (fillfactor='80');

CREATE TABLE shipment (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    order_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    carrier text NOT NULL,
    account text NOT NULL,
    service text,
    tracking_number text NOT NULL,
    carrier_reference text,
    direction text NOT NULL,
    origin_country text NOT NULL,
    destination_country text NOT NULL,
    destination_postcode text,
    destination_zone text NOT NULL,
    shipped_at timestamp with time zone,
    promised_at timestamp with time zone,
    essential_date boolean DEFAULT false NOT NULL,
    value_amount numeric(14,2),
    value_currency text,
    items jsonb DEFAULT '[]'::jsonb NOT NULL,
    customs jsonb,
    replaces_id bigint,
    registered_at timestamp with time zone NOT NULL,
    milestone text DEFAULT 'registered'::text NOT NULL,
    status_detail text,
    health text DEFAULT 'unknown'::text NOT NULL,
    belief jsonb DEFAULT '{}'::jsonb NOT NULL,
    expectation jsonb DEFAULT '{}'::jsonb NOT NULL,
    announced text[] DEFAULT '{}'::text[] NOT NULL,
    cured_at timestamp with time zone,
    undecided text,
    link_version integer DEFAULT 1 NOT NULL,
    ended_at timestamp with time zone,
    unwatched_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL
)
WITH (fillfactor='80');
ALTER TABLE shipment ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE shop (
    id bigint NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    country text NOT NULL,
    language text NOT NULL,
    time_zone text NOT NULL,
    sender_email text NOT NULL,
    reply_email text NOT NULL,
    phone text,
    website text,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE shop ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE sign_in_failure (
    source bytea NOT NULL,
    failures integer NOT NULL,
    failed_at timestamp with time zone NOT NULL
);

CREATE TABLE staff (
    id bigint NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    language text,
    time_zone text,
    scheme text,
    password_hash text,
    identity text,
    second_factor bytea,
    second_factor_at timestamp with time zone,
    second_factor_step bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone
);

ALTER TABLE staff ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE staff_link (
    token_hash bytea NOT NULL,
    staff_id bigint NOT NULL,
    purpose text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT staff_link_purpose_check CHECK ((purpose = ANY (ARRAY['invitation'::text, 'entry'::text])))
);

CREATE TABLE staff_role (
    staff_id bigint NOT NULL,
    shop_id bigint NOT NULL,
    role text NOT NULL,
    partner_id bigint,
    CONSTRAINT staff_role_check CHECK (((role = 'partner'::text) = (partner_id IS NOT NULL))),
    CONSTRAINT staff_role_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'agent'::text, 'supervisor'::text, 'admin'::text, 'partner'::text])))
);

CREATE TABLE staff_session (
    id bigint NOT NULL,
    token_hash bytea NOT NULL,
    staff_id bigint NOT NULL,
    shop_id bigint NOT NULL,
    complete boolean NOT NULL,
    address_hash bytea,
    browser text,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);

ALTER TABLE staff_session ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

CREATE TABLE switch (
    name text NOT NULL,
    engaged boolean NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL,
    CONSTRAINT switch_name_check CHECK ((name = ANY (ARRAY['stop_sending'::text, 'shadow'::text])))
);

CREATE TABLE unclaimed (
    id bigint NOT NULL,
    shop_id bigint NOT NULL,
    carrier text NOT NULL,
    tracking_number text NOT NULL,
    observation_id bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    report jsonb NOT NULL,
    claimed_by bigint
);

ALTER TABLE unclaimed ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
ALTER TABLE account ADD CONSTRAINT account_pkey PRIMARY KEY (shop_id, kind, code, name);
ALTER TABLE alarm ADD CONSTRAINT alarm_pkey PRIMARY KEY (id);
ALTER TABLE api_key ADD CONSTRAINT api_key_key_id_key UNIQUE (key_id);
ALTER TABLE api_key ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);
ALTER TABLE attempt ADD CONSTRAINT attempt_pkey PRIMARY KEY (message_id, number);
ALTER TABLE audit ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE business_settings ADD CONSTRAINT business_settings_pkey PRIMARY KEY (shop_id, version);
ALTER TABLE calendar_year ADD CONSTRAINT calendar_year_pkey PRIMARY KEY (country, year);
ALTER TABLE capability ADD CONSTRAINT capability_pkey PRIMARY KEY (token_hash);
ALTER TABLE carrier_account ADD CONSTRAINT carrier_account_pkey PRIMARY KEY (shop_id, carrier, account);
ALTER TABLE change ADD CONSTRAINT change_pkey PRIMARY KEY (id);
ALTER TABLE channel_state ADD CONSTRAINT channel_state_pkey PRIMARY KEY (shop_id, channel);
ALTER TABLE contact ADD CONSTRAINT contact_pkey PRIMARY KEY (id);
ALTER TABLE customer_order ADD CONSTRAINT customer_order_pkey PRIMARY KEY (id);
ALTER TABLE customer_order ADD CONSTRAINT customer_order_shop_id_reference_key UNIQUE (shop_id, reference);
ALTER TABLE data_key ADD CONSTRAINT data_key_pkey PRIMARY KEY (id);
ALTER TABLE event ADD CONSTRAINT event_pkey PRIMARY KEY (id);
ALTER TABLE event ADD CONSTRAINT event_shipment_id_key_variant_key UNIQUE (shipment_id, key, variant);
ALTER TABLE finding ADD CONSTRAINT finding_pkey PRIMARY KEY (id);
ALTER TABLE holiday ADD CONSTRAINT holiday_pkey PRIMARY KEY (country, region, day);
ALTER TABLE idempotency ADD CONSTRAINT idempotency_pkey PRIMARY KEY (api_key_id, key);
ALTER TABLE incident_entry ADD CONSTRAINT incident_entry_pkey PRIMARY KEY (id);
ALTER TABLE incident ADD CONSTRAINT incident_pkey PRIMARY KEY (id);
ALTER TABLE incident ADD CONSTRAINT incident_shipment_id_category_cause_key UNIQUE (shipment_id, category, cause);
ALTER TABLE message ADD CONSTRAINT message_notice_id_channel_key UNIQUE (notice_id, channel);
ALTER TABLE message ADD CONSTRAINT message_pkey PRIMARY KEY (id);
ALTER TABLE migration ADD CONSTRAINT migration_pkey PRIMARY KEY (number);
ALTER TABLE notice ADD CONSTRAINT notice_pkey PRIMARY KEY (id);
ALTER TABLE notice ADD CONSTRAINT notice_shop_id_key_key UNIQUE (shop_id, key);
ALTER TABLE observation ADD CONSTRAINT observation_pkey PRIMARY KEY (id);
ALTER TABLE once ADD CONSTRAINT once_pkey PRIMARY KEY (job, period);
ALTER TABLE partner ADD CONSTRAINT partner_code_key UNIQUE (code);
ALTER TABLE partner ADD CONSTRAINT partner_pkey PRIMARY KEY (id);
ALTER TABLE partner_secret ADD CONSTRAINT partner_secret_pkey PRIMARY KEY (id);
ALTER TABLE recovery_code ADD CONSTRAINT recovery_code_pkey PRIMARY KEY (staff_id, code_hash);
ALTER TABLE return_case ADD CONSTRAINT return_case_pkey PRIMARY KEY (id);
ALTER TABLE return_case ADD CONSTRAINT return_case_shipment_id_key UNIQUE (shipment_id);
ALTER TABLE saved_view ADD CONSTRAINT saved_view_pkey PRIMARY KEY (id);
ALTER TABLE saved_view ADD CONSTRAINT saved_view_staff_id_shop_id_name_key UNIQUE (staff_id, shop_id, name);
ALTER TABLE schedule ADD CONSTRAINT schedule_pkey PRIMARY KEY (shipment_id);
ALTER TABLE shipment ADD CONSTRAINT shipment_pkey PRIMARY KEY (id);
ALTER TABLE shipment ADD CONSTRAINT shipment_shop_id_carrier_tracking_number_order_id_key UNIQUE (shop_id, carrier, tracking_number, order_id);
ALTER TABLE shop ADD CONSTRAINT shop_code_key UNIQUE (code);
ALTER TABLE shop ADD CONSTRAINT shop_pkey PRIMARY KEY (id);
ALTER TABLE sign_in_failure ADD CONSTRAINT sign_in_failure_pkey PRIMARY KEY (source);
ALTER TABLE staff ADD CONSTRAINT staff_email_key UNIQUE (email);
ALTER TABLE staff ADD CONSTRAINT staff_identity_key UNIQUE (identity);
ALTER TABLE staff_link ADD CONSTRAINT staff_link_pkey PRIMARY KEY (token_hash);
ALTER TABLE staff ADD CONSTRAINT staff_pkey PRIMARY KEY (id);
ALTER TABLE staff_role ADD CONSTRAINT staff_role_pkey PRIMARY KEY (staff_id, shop_id);
ALTER TABLE staff_session ADD CONSTRAINT staff_session_pkey PRIMARY KEY (id);
ALTER TABLE staff_session ADD CONSTRAINT staff_session_token_hash_key UNIQUE (token_hash);
ALTER TABLE switch ADD CONSTRAINT switch_pkey PRIMARY KEY (name);
ALTER TABLE unclaimed ADD CONSTRAINT unclaimed_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX alarm_open ON alarm USING btree (name) WHERE (ended_at IS NULL);
CREATE INDEX audit_actor ON audit USING btree (actor, id);
CREATE INDEX audit_object ON audit USING btree (object, id) WHERE (object IS NOT NULL);
CREATE UNIQUE INDEX change_position ON change USING btree ("position") WHERE ("position" IS NOT NULL);
CREATE INDEX change_shop ON change USING btree (shop_id, "position") WHERE ("position" IS NOT NULL);
CREATE INDEX change_unplaced ON change USING btree (id) WHERE ("position" IS NULL);
CREATE INDEX contact_email ON contact USING btree (shop_id, lower(email)) WHERE (email IS NOT NULL);
CREATE INDEX contact_name ON contact USING gin (to_tsvector('simple'::regconfig, translate(lower(name), 'áàâäãåçéèêëíìîïñóòôöõúùûü'::text, 'aaaaaaceeeeiiiinooooouuuu'::text))) WHERE (name IS NOT NULL);
CREATE INDEX finding_incident ON finding USING btree (incident_id);
CREATE UNIQUE INDEX finding_standing ON finding USING btree (shipment_id, key) WHERE (withdrawn_at IS NULL);
CREATE INDEX incident_assignee ON incident USING btree (assignee_id, id) WHERE ((assignee_id IS NOT NULL) AND (state <> ALL (ARRAY['closed'::text, 'merged'::text])));
CREATE INDEX incident_entry_incident ON incident_entry USING btree (incident_id, id);
CREATE INDEX incident_open ON incident USING btree (shop_id, id) WHERE (state <> ALL (ARRAY['closed'::text, 'merged'::text]));
CREATE INDEX incident_shop ON incident USING btree (shop_id, id);
CREATE INDEX incident_urgency ON incident USING btree (shop_id, array_position(ARRAY['critical'::text, 'high'::text, 'medium'::text, 'low'::text], severity), COALESCE(promised_update_at, 'infinity'::timestamp with time zone), id) WHERE (state <> ALL (ARRAY['resolved'::text, 'closed'::text, 'merged'::text]));
CREATE INDEX message_due ON message USING btree (channel, due_at) WHERE (state = 'queued'::text);
CREATE INDEX message_sending ON message USING btree (channel) WHERE (state = 'sending'::text);
CREATE INDEX message_shop ON message USING btree (shop_id, id);
CREATE INDEX notice_shipment ON notice USING btree (shipment_id, id);
CREATE INDEX observation_quarantine ON observation USING btree (shop_id, id) WHERE ((problem IS NOT NULL) AND (settled_at IS NULL));
CREATE INDEX observation_shipment ON observation USING btree (shipment_id, id) WHERE (shipment_id IS NOT NULL);
CREATE INDEX observation_unread ON observation USING btree (shipment_id) WHERE ((problem IS NOT NULL) AND (settled_at IS NULL));
CREATE INDEX partner_secret_partner ON partner_secret USING btree (partner_id);
CREATE INDEX return_open ON return_case USING btree (shop_id, id) WHERE (state <> ALL (ARRAY['settled'::text, 'expired'::text, 'refused'::text]));
CREATE INDEX return_shop ON return_case USING btree (shop_id, id);
CREATE INDEX schedule_next_moment ON schedule USING btree (next_moment_at) WHERE (next_moment_at IS NOT NULL);
CREATE INDEX schedule_next_poll ON schedule USING btree (shop_id, carrier, account, next_poll_at) WHERE (next_poll_at IS NOT NULL);
CREATE INDEX shipment_contact ON shipment USING btree (contact_id);
CREATE INDEX shipment_number ON shipment USING btree (tracking_number, shop_id);
CREATE INDEX shipment_order ON shipment USING btree (order_id);
CREATE INDEX shipment_postcode ON shipment USING btree (shop_id, upper(replace(destination_postcode, ' '::text, ''::text)) text_pattern_ops) WHERE (destination_postcode IS NOT NULL);
CREATE INDEX shipment_shop ON shipment USING btree (shop_id, id);
CREATE INDEX shipment_undecided ON shipment USING btree (shop_id, id) WHERE (undecided IS NOT NULL);
CREATE INDEX staff_session_staff ON staff_session USING btree (staff_id) WHERE (revoked_at IS NULL);
CREATE INDEX unclaimed_number ON unclaimed USING btree (tracking_number, shop_id) WHERE (claimed_by IS NULL);
ALTER TABLE account ADD CONSTRAINT account_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE api_key ADD CONSTRAINT api_key_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE attempt ADD CONSTRAINT attempt_message_id_fkey FOREIGN KEY (message_id) REFERENCES message(id);
ALTER TABLE business_settings ADD CONSTRAINT business_settings_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE carrier_account ADD CONSTRAINT carrier_account_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE channel_state ADD CONSTRAINT channel_state_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE contact ADD CONSTRAINT contact_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE customer_order ADD CONSTRAINT customer_order_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE event ADD CONSTRAINT event_observation_id_fkey FOREIGN KEY (observation_id) REFERENCES observation(id);
ALTER TABLE event ADD CONSTRAINT event_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES shipment(id);
ALTER TABLE finding ADD CONSTRAINT finding_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id);
ALTER TABLE finding ADD CONSTRAINT finding_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES shipment(id);
ALTER TABLE idempotency ADD CONSTRAINT idempotency_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES api_key(id);
ALTER TABLE incident ADD CONSTRAINT incident_assignee_id_fkey FOREIGN KEY (assignee_id) REFERENCES staff(id);
ALTER TABLE incident_entry ADD CONSTRAINT incident_entry_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id);
ALTER TABLE incident ADD CONSTRAINT incident_merged_into_fkey FOREIGN KEY (merged_into) REFERENCES incident(id);
ALTER TABLE incident ADD CONSTRAINT incident_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES shipment(id);
ALTER TABLE incident ADD CONSTRAINT incident_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE message ADD CONSTRAINT message_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES contact(id);
ALTER TABLE message ADD CONSTRAINT message_notice_id_fkey FOREIGN KEY (notice_id) REFERENCES notice(id);
ALTER TABLE notice ADD CONSTRAINT notice_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES contact(id);
ALTER TABLE notice ADD CONSTRAINT notice_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id);
ALTER TABLE notice ADD CONSTRAINT notice_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES shipment(id);
ALTER TABLE notice ADD CONSTRAINT notice_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE observation ADD CONSTRAINT observation_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES partner(id);
ALTER TABLE observation ADD CONSTRAINT observation_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES shipment(id);
ALTER TABLE observation ADD CONSTRAINT observation_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE partner_secret ADD CONSTRAINT partner_secret_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES partner(id);
ALTER TABLE partner ADD CONSTRAINT partner_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE recovery_code ADD CONSTRAINT recovery_code_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff(id);
ALTER TABLE return_case ADD CONSTRAINT return_case_replacement_id_fkey FOREIGN KEY (replacement_id) REFERENCES shipment(id);
ALTER TABLE return_case ADD CONSTRAINT return_case_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES shipment(id);
ALTER TABLE return_case ADD CONSTRAINT return_case_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE saved_view ADD CONSTRAINT saved_view_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE saved_view ADD CONSTRAINT saved_view_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff(id);
ALTER TABLE schedule ADD CONSTRAINT schedule_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES shipment(id);
ALTER TABLE shipment ADD CONSTRAINT shipment_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES contact(id);
ALTER TABLE shipment ADD CONSTRAINT shipment_order_id_fkey FOREIGN KEY (order_id) REFERENCES customer_order(id);
ALTER TABLE shipment ADD CONSTRAINT shipment_replaces_id_fkey FOREIGN KEY (replaces_id) REFERENCES shipment(id);
ALTER TABLE shipment ADD CONSTRAINT shipment_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE staff_link ADD CONSTRAINT staff_link_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff(id);
ALTER TABLE staff_role ADD CONSTRAINT staff_role_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES partner(id);
ALTER TABLE staff_role ADD CONSTRAINT staff_role_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE staff_role ADD CONSTRAINT staff_role_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff(id);
ALTER TABLE staff_session ADD CONSTRAINT staff_session_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
ALTER TABLE staff_session ADD CONSTRAINT staff_session_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff(id);
ALTER TABLE unclaimed ADD CONSTRAINT unclaimed_claimed_by_fkey FOREIGN KEY (claimed_by) REFERENCES shipment(id);
ALTER TABLE unclaimed ADD CONSTRAINT unclaimed_observation_id_fkey FOREIGN KEY (observation_id) REFERENCES observation(id);
ALTER TABLE unclaimed ADD CONSTRAINT unclaimed_shop_id_fkey FOREIGN KEY (shop_id) REFERENCES shop(id);
