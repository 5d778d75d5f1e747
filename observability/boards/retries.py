"""What waits, and whether it goes on in time."""

from observability.panels import Board, Line, Panel, Row
from observability.queries import RATE, gathered, quantiles, rate, taken

RETRIES = Board(
    "hookstream-retries",
    "Hookstream: retries",
    "What waits, for how long, and whether it goes on in time",
    [
        Row(
            "In time",
            [
                Panel(
                    "Lateness of releases",
                    quantiles("hookstream_retry_lateness_seconds"),
                    "s",
                    says="Never early; p99 is meant to stay below 0.1 s",
                    warn=1,
                ),
                Panel(
                    "The first that waits is late by",
                    [Line("max(hookstream_retry_overdue_seconds)", "overdue")],
                    "s",
                    warn=1,
                ),
                Panel(
                    "Releases",
                    [
                        Line(
                            f"sum(rate(hookstream_retry_lateness_seconds_count[{RATE}]))",
                            "releases",
                        )
                    ],
                    "reqps",
                ),
            ],
        ),
        Row(
            "Depth",
            [
                Panel(
                    "Waiting, by tier",
                    [
                        Line(
                            gathered(
                                "sum",
                                "messaging_destination_name",
                                'hookstream_consumer_lag{messaging_consumer_group_name="retry"}',
                            )
                        )
                    ],
                    stacked=True,
                    width=12,
                    says="On disk. Waiting is not lag",
                ),
                Panel(
                    "Through each tier",
                    [
                        Line(
                            rate(
                                "messaging_client_consumed_messages_total",
                                "messaging_destination_name",
                                'messaging_consumer_group_name="retry"',
                            )
                        )
                    ],
                    "reqps",
                    width=12,
                ),
                Panel("In memory", [Line("sum(hookstream_retry_held)", "records")]),
                Panel(
                    "In memory",
                    [Line("max(hookstream_retry_held_size_bytes)", "of a process")],
                    "bytes",
                ),
                Panel(
                    "Parked",
                    [Line("max(hookstream_parked)", "deliveries")],
                    says="Wait in PostgreSQL for a paused or disabled webhook",
                ),
            ],
        ),
        Row(
            "Attempts",
            [
                Panel(
                    "Requests by number",
                    [Line(rate("webhook_delivery_attempts_total", "hookstream_attempt"))],
                    "reqps",
                    stacked=True,
                ),
                Panel("Taken, by number", [Line(taken("by (hookstream_attempt) "))], "percentunit"),
                Panel(
                    "Oldest parked",
                    [Line("max(hookstream_parked_oldest_age_seconds)", "since its event")],
                    "s",
                ),
            ],
        ),
    ],
)
