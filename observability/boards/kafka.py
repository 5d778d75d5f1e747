"""How far each loop is."""

from observability.panels import Board, Line, Panel, Row
from observability.queries import LIVE, RATE, gathered, quantile, rate

GROUP_TOPIC = "messaging_consumer_group_name, messaging_destination_name"
FURTHEST = (
    f"topk(10, max by ({GROUP_TOPIC}, messaging_destination_partition_id)"
    f" (hookstream_consumer_lag{{{LIVE}}}))"
)
KAFKA = Board(
    "hookstream-kafka",
    "Hookstream: Kafka",
    "How far each loop is, and what stands between it and the end",
    [
        Row(
            "Lag",
            [
                Panel(
                    "Not finished",
                    [Line(gathered("sum", GROUP_TOPIC, f"hookstream_consumer_lag{{{LIVE}}}"))],
                    says="Retry's tiers are left out: what waits there is meant to",
                ),
                Panel(
                    "The ten furthest partitions",
                    [Line(FURTHEST)],
                ),
                Panel(
                    "Oldest unread",
                    [
                        Line(
                            gathered(
                                "max",
                                GROUP_TOPIC,
                                f"hookstream_consumer_oldest_unread_age_seconds{{{LIVE}}}",
                            )
                        )
                    ],
                    "s",
                    warn=60,
                ),
            ],
        ),
        Row(
            "Throughput",
            [
                Panel(
                    "Read",
                    [Line(rate("messaging_client_consumed_messages_total", GROUP_TOPIC))],
                    "reqps",
                ),
                Panel(
                    "Sent",
                    [
                        Line(
                            rate(
                                "messaging_client_sent_messages_total",
                                "service_name, messaging_destination_name",
                            )
                        )
                    ],
                    "reqps",
                ),
                Panel(
                    "Sent, not acknowledged",
                    [Line(gathered("sum", "service_name", "hookstream_producer_unacknowledged"))],
                ),
            ],
        ),
        Row(
            "What holds it up",
            [
                Panel(
                    "Read, not finished",
                    [
                        Line(
                            gathered(
                                "sum", "messaging_consumer_group_name", "hookstream_consumer_open"
                            )
                        )
                    ],
                ),
                Panel(
                    "Reading held up: enough was open",
                    [
                        Line(
                            gathered(
                                "avg",
                                "messaging_consumer_group_name",
                                f"rate(hookstream_loop_full_time_seconds_total[{RATE}])",
                            )
                        )
                    ],
                    "percentunit",
                ),
                Panel(
                    "Partitions paused",
                    [
                        Line(
                            gathered(
                                "sum", "messaging_consumer_group_name", "hookstream_consumer_paused"
                            )
                        )
                    ],
                ),
                Panel(
                    "Turn of a loop, p99",
                    [
                        Line(
                            quantile(
                                0.99,
                                "hookstream_loop_turn_duration_seconds",
                                "messaging_consumer_group_name",
                            )
                        )
                    ],
                    "s",
                ),
                Panel(
                    "Partitions that came and went",
                    [
                        Line(
                            gathered(
                                "sum",
                                "messaging_consumer_group_name, hookstream_change",
                                "increase(hookstream_consumer_moved_total[5m])",
                            )
                        )
                    ],
                ),
                Panel(
                    "Refused",
                    [
                        Line(rate("hookstream_producer_refused_total", "service_name, error_type")),
                        Line(
                            rate(
                                "hookstream_consumer_commits_refused_total",
                                "messaging_consumer_group_name",
                            )
                        ),
                    ],
                    "reqps",
                ),
            ],
        ),
    ],
)
