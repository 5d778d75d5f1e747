"""How long a delivery takes, and what comes of it."""

from observability.panels import Board, Line, Panel, Row
from observability.queries import (
    FIRST,
    LATENCY,
    STAGE,
    quantile,
    quantiles,
    rate,
    share_within,
    taken,
)

DELIVERY = Board(
    "hookstream-delivery",
    "Hookstream: delivery objectives",
    "How long from an event to the receiver's yes, how many say yes, and why not",
    [
        Row(
            "Delay: from Kafka's append of the event to the answer that took it",
            [
                Panel("First attempt", quantiles(LATENCY, FIRST), "s"),
                Panel(
                    "Taken by the first attempt within",
                    [Line(share_within(LATENCY, s, FIRST), f"{s} s") for s in ("0[.]1", "1", "5")],
                    "percentunit",
                    says="Of all taken by the first attempt; receivers' own time included",
                ),
                Panel("After retries", quantiles(LATENCY, 'hookstream_attempt="later"'), "s"),
            ],
        ),
        Row(
            "Where the time goes",
            [
                Panel(
                    "Ours: on the topic",
                    quantiles(STAGE, 'hookstream_stage="queue"'),
                    "s",
                    says="From Kafka's append of the delivery to the deliverer",
                    warn=1,
                ),
                Panel(
                    "The lane: rate, slots, circuit",
                    quantiles(STAGE, 'hookstream_stage="lane"'),
                    "s",
                    says="What waits longer than a second is deferred and is not in here",
                ),
                Panel(
                    "The network and the receiver, p99",
                    [
                        Line(
                            quantile(
                                0.99,
                                STAGE,
                                "hookstream_stage",
                                'hookstream_stage=~"dns|connect|tls|body"',
                            )
                        ),
                        Line(
                            quantile(0.99, "http_client_request_duration_seconds"), "to the status"
                        ),
                    ],
                    "s",
                ),
            ],
        ),
        Row(
            "Success",
            [
                Panel(
                    "Requests that were taken",
                    [Line(taken(), "all"), Line(taken("", 'hookstream_attempt="1"'), "first ones")],
                    "percentunit",
                ),
                Panel(
                    "Deliveries that ended",
                    [
                        Line(
                            rate(
                                "hookstream_turns_total",
                                "hookstream_result",
                                'hookstream_result=~"succeeded|failed|cancelled|parked|waiting"',
                            )
                        )
                    ],
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "Failed for good, why",
                    [
                        Line(
                            rate(
                                "hookstream_turns_total",
                                "hookstream_reason",
                                'hookstream_result="failed"',
                            )
                        )
                    ],
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "Tried again, why",
                    [
                        Line(
                            rate(
                                "hookstream_turns_total",
                                "hookstream_reason",
                                'hookstream_result="retrying"',
                            )
                        )
                    ],
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "Put off, why",
                    [
                        Line(
                            rate(
                                "hookstream_turns_total",
                                "hookstream_reason",
                                'hookstream_result="deferred"',
                            )
                        )
                    ],
                    "reqps",
                    stacked=True,
                    says="No request, no attempt: a lane's rate, or a receiver that falls behind",
                ),
                Panel(
                    "Status codes",
                    [
                        Line(
                            rate(
                                "http_client_request_duration_seconds_count",
                                "http_response_status_code",
                            )
                        )
                    ],
                    "reqps",
                    stacked=True,
                ),
            ],
        ),
        Row(
            "Receivers that do not keep up",
            [
                Panel(
                    "Open circuits",
                    [Line("sum(hookstream_circuits_open)", "webhooks")],
                    says="They get one probe a cool-down",
                ),
                Panel(
                    "Requests in flight, by receivers",
                    [
                        Line("sum by (hookstream_rank) (hookstream_slots_used)"),
                        Line("sum(hookstream_slots_limit) / 8", "what suspects may hold"),
                    ],
                ),
                Panel(
                    "Repeated because a partition moved",
                    [
                        Line(
                            rate(
                                "hookstream_turns_total",
                                "hookstream_reason",
                                'hookstream_result=~"superseded|conflict"',
                            )
                        )
                    ],
                    "reqps",
                ),
            ],
        ),
    ],
)
