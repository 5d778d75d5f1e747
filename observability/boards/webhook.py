"""The dashboard of one webhook: SQL over the log, by indexes, within the time that is looked at."""

from observability.panels import Board, Line, Panel, Row, text_variable

WITHIN = (
    "logged_at_ms BETWEEN $__unixEpochFrom()::bigint * 1000 AND $__unixEpochTo()::bigint * 1000"
    " AND day BETWEEN to_timestamp($__unixEpochFrom())::date"
    " AND to_timestamp($__unixEpochTo())::date"
)
OF = f"webhook = ${{webhook:sqlstring}} AND {WITHIN}"
_ATTEMPTS = (
    "SELECT to_timestamp(a.started_at_ms / 1000.0) AS started, a.delivery, a.number, a.result,"
    " a.status, a.error, a.error_detail, a.duration_ms, a.trace_id FROM attempts AS a"
)


def _table(title: str, query: str, *, says: str = "", width: int = 24, height: int = 8) -> Panel:
    return Panel(title, [Line(query)], "short", "table", width, height, says)


STORY = [
    Row(
        "The webhook",
        [
            _table(
                "As it is now",
                "SELECT workspace, name, state, state_reason, version, policy, rate_per_s,"
                " max_in_flight, changed_at FROM webhooks WHERE id = ${webhook:sqlstring}",
                height=4,
            ),
            _table(
                "Deliveries by state",
                "SELECT state, reason, count(*) AS deliveries, sum(attempts) AS requests,"
                " to_timestamp(max(ended_at_ms) / 1000.0) AS last"
                f" FROM deliveries WHERE {OF} GROUP BY state, reason ORDER BY deliveries DESC",
                width=12,
            ),
            _table(
                "Answers",
                "SELECT a.status, a.error, count(*) AS requests,"
                " percentile_disc(0.5) WITHIN GROUP (ORDER BY a.duration_ms) AS p50_ms,"
                " percentile_disc(0.99) WITHIN GROUP (ORDER BY a.duration_ms) AS p99_ms"
                f" FROM (SELECT id, day FROM deliveries WHERE {OF} LIMIT 10000) AS d"
                " JOIN attempts AS a ON a.delivery = d.id AND a.day = d.day"
                " GROUP BY a.status, a.error ORDER BY requests DESC",
                width=12,
                says="Of the first 10,000 deliveries in this time",
            ),
        ],
    ),
    Row(
        "Its deliveries",
        [
            _table(
                "The newest",
                "SELECT to_timestamp(logged_at_ms / 1000.0) AS logged, id AS delivery, event,"
                " event_type, kind, state, reason, attempts, status, error,"
                " ended_at_ms - logged_at_ms AS took_ms,"
                " to_timestamp(next_due_at_ms / 1000.0) AS next_due"
                f" FROM deliveries WHERE {OF} ORDER BY logged_at_ms DESC LIMIT 100",
                height=10,
            ),
            _table(
                "Not delivered",
                "SELECT to_timestamp(logged_at_ms / 1000.0) AS logged, id AS delivery, state,"
                " reason, attempts, status, error,"
                " to_timestamp(next_due_at_ms / 1000.0) AS next_due"
                f" FROM deliveries WHERE {OF} AND state <> 'succeeded'"
                " ORDER BY logged_at_ms DESC LIMIT 100",
            ),
        ],
    ),
    Row(
        "Requests",
        [
            _table(
                "Of the newest deliveries",
                f"{_ATTEMPTS} JOIN (SELECT id, day FROM deliveries WHERE {OF}"
                " ORDER BY logged_at_ms DESC LIMIT 100) AS d ON a.delivery = d.id AND a.day = d.day"
                " ORDER BY a.started_at_ms DESC LIMIT 200",
                height=10,
                says="A trace id is there where the event was sampled",
            ),
            _table(
                "Of one delivery",
                f"{_ATTEMPTS} WHERE a.delivery = ${{delivery:sqlstring}}"
                " ORDER BY a.started_at_ms LIMIT 200",
            ),
        ],
    ),
]

WEBHOOK = Board(
    "hookstream-webhook",
    "Hookstream: one webhook's story",
    "From the log in PostgreSQL; a trace id leads to the trace",
    STORY,
    [text_variable("webhook", "Webhook id"), text_variable("delivery", "Delivery id")],
    ("database", "traces"),
)
