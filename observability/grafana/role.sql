-- The role by which Grafana reads the log: what its dashboards show, no secret, and no change.
-- psql --set=password=… --file=role.sql, after `hookstream migrate`. May be run again.
DO $$ BEGIN CREATE ROLE grafana LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
ALTER ROLE grafana PASSWORD :'password';
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '10s';
GRANT SELECT ON deliveries, attempts TO grafana;
GRANT SELECT (id, workspace, name, state, state_reason, version, policy, rate_per_s,
              max_in_flight, changed_at) ON webhooks TO grafana;
