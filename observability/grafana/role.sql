-- The role by which Grafana reads the log: what its dashboards show, no secret, and no change.
-- psql --set=password=… --file=role.sql, after `hookstream migrate`. May be run again.
DO $$ BEGIN CREATE ROLE grafana LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
ALTER ROLE grafana PASSWORD :'password';
GRANT SELECT (id, workspace, name, state, state_reason, version, policy, rate_per_s, max_in_flight,
              changed_at) ON webhooks TO grafana;
GRANT SELECT (id, day, logged_at_ms, workspace, webhook, event, event_type, kind, attempts, state,
              reason, status, error, ended_at_ms, next_due_at_ms) ON deliveries TO grafana;
GRANT SELECT (delivery, day, number, result, started_at_ms, duration_ms, status, error,
              error_detail, trace_id) ON attempts TO grafana;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '10s';
