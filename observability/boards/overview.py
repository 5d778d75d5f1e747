"""Rate, errors and duration of each service."""

from observability.panels import Board, Line, Panel, Row, service_variable
from observability.queries import (
    CONSOLE,
    INGEST,
    RATE,
    REQUESTS,
    SERVICE,
    UNREAD,
    gathered,
    per_second,
    quantile,
    quantiles,
    rate,
    stat,
)

FAN_OUT = (
    f"sum(rate(hookstream_router_matches_total[{RATE}]))"
    f' / sum(rate(hookstream_router_events_total{{hookstream_result="matched"}}[{RATE}]))'
)
OVERVIEW = Board(
    "hookstream-overview",
    "Hookstream: overview",
    "Rate, errors and duration of each service, in the order in which an event passes",
    [
        Row(
            "Now",
            [
                stat(
                    "Events in", per_second("hookstream_ingest_events_total", "accepted"), "reqps"
                ),
                stat(
                    "Taken by receivers", per_second("hookstream_turns_total", "succeeded"), "reqps"
                ),
                stat("Oldest unread", UNREAD, "s", 60),
                stat("Retry overdue by", "max(hookstream_retry_overdue_seconds)", "s", 1),
                stat("Dead letters, 24 h", "max(hookstream_dead_letters_recent)", "short", 1),
                stat("Outbox waits for", "max(hookstream_outbox_oldest_age_seconds)", "s", 10),
            ],
        ),
        Row(
            "ingest",
            [
                Panel(
                    "Requests",
                    [Line(rate(f"{REQUESTS}_count", "http_response_status_code", INGEST))],
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "Events",
                    [
                        Line(rate("hookstream_ingest_events_total", "hookstream_result")),
                        Line(
                            rate("hookstream_ingest_refused_total", "service_name"),
                            "requests refused",
                        ),
                    ],
                    "reqps",
                ),
                Panel("Duration", quantiles(REQUESTS, INGEST), "s", says="To Kafka's answer"),
            ],
        ),
        Row(
            "router",
            [
                Panel(
                    "Events",
                    [Line(rate("hookstream_router_events_total", "hookstream_result"))],
                    "reqps",
                    stacked=True,
                ),
                Panel("Webhooks an event", [Line(FAN_OUT, "of those that match any")]),
                Panel(
                    "Dead letters",
                    [
                        Line(
                            rate(
                                "hookstream_dead_letters_total",
                                "messaging_destination_name, hookstream_reason",
                            )
                        )
                    ],
                    "reqps",
                    says="Of all services",
                ),
            ],
        ),
        Row(
            "deliverer",
            [
                Panel(
                    "Turns",
                    [Line(rate("hookstream_turns_total", "hookstream_result"))],
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "Receivers' answers",
                    [Line(rate("http_client_request_duration_seconds_count", "error_type"))],
                    "reqps",
                    says="By error; none: an answer below 400",
                ),
                Panel(
                    "Receivers' duration", quantiles("http_client_request_duration_seconds"), "s"
                ),
            ],
        ),
        Row(
            "retry, status, console",
            [
                Panel(
                    "Released by retry",
                    [
                        Line(
                            f"sum(rate(hookstream_retry_lateness_seconds_count[{RATE}]))",
                            "releases",
                        )
                    ],
                    "reqps",
                ),
                Panel(
                    "Into the log",
                    [Line(rate("hookstream_status_written_total", "messaging_destination_name"))],
                    "reqps",
                ),
                Panel(
                    "Batches into the log, p99",
                    [
                        Line(
                            quantile(
                                0.99,
                                "hookstream_status_batch_duration_seconds",
                                "messaging_destination_name",
                            )
                        )
                    ],
                    "s",
                ),
                Panel(
                    "Console: requests",
                    [Line(rate(f"{REQUESTS}_count", "http_response_status_code", CONSOLE))],
                    "reqps",
                    stacked=True,
                ),
                Panel("Console: duration", quantiles(REQUESTS, CONSOLE), "s"),
                Panel(
                    "Console: slowest routes, p99",
                    [Line(f"topk(5, {quantile(0.99, REQUESTS, 'http_route', CONSOLE)})")],
                    "s",
                ),
            ],
        ),
        Row(
            "Alive",
            [
                Panel(
                    "Since a loop moved",
                    [
                        Line(
                            gathered(
                                "max",
                                "service_name, hookstream_loop",
                                f"hookstream_loop_last_turn_age_seconds{{{SERVICE}}}",
                            )
                        )
                    ],
                    "s",
                    width=12,
                    warn=60,
                ),
                Panel(
                    "Not ready because of",
                    [
                        Line(
                            gathered(
                                "max",
                                "service_name, hookstream_part",
                                f"hookstream_not_ready{{{SERVICE}}}",
                            )
                        )
                    ],
                    width=12,
                    warn=1,
                ),
            ],
        ),
    ],
    [service_variable()],
)
