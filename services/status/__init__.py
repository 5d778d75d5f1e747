"""status: the only bridge between Kafka and Postgres."""
