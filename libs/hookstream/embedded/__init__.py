"""Real Apache Kafka and real PostgreSQL for `hookstream up` and for tests: no Docker, no Java."""
