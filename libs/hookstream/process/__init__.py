"""What every service does alike: settings, logs, telemetry, health, start and stop."""
