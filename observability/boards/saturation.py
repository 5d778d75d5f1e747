"""What is full."""

from observability.panels import Board, Line, Panel, Row, service_variable
from observability.queries import RATE, SERVICE, gathered, quantile

FILES = (
    f"max by (service_name, instance) (process_unix_file_descriptor_count{{{SERVICE}}}"
    f" / hookstream_process_files_limit{{{SERVICE}}})"
)
USED = "sum by (instance) (hookstream_slots_used) / sum by (instance) (hookstream_slots_limit)"
WAITING = "hookstream_ingest_waiting / hookstream_ingest_waiting_limit"
SATURATION = Board(
    "hookstream-saturation",
    "Hookstream: saturation",
    "What is full, process by process",
    [
        Row(
            "Processes",
            [
                Panel(
                    "Processor",
                    [
                        Line(
                            gathered(
                                "sum",
                                "service_name, instance",
                                f"rate(process_cpu_time_seconds_total{{{SERVICE}}}[{RATE}])",
                            )
                        )
                    ],
                    "percentunit",
                    says="A process uses one core, and a little of a second",
                    warn=0.9,
                ),
                Panel(
                    "Memory",
                    [
                        Line(
                            gathered(
                                "max",
                                "service_name, instance",
                                f"process_memory_usage_bytes{{{SERVICE}}}",
                            )
                        )
                    ],
                    "bytes",
                ),
                Panel("Open files", [Line(FILES)], "percentunit", warn=0.8),
                Panel(
                    "Event loop woke late by, p99",
                    [
                        Line(
                            quantile(
                                0.99,
                                "hookstream_event_loop_delay_seconds",
                                "service_name, instance",
                                SERVICE,
                            )
                        )
                    ],
                    "s",
                    warn=0.25,
                ),
                Panel(
                    "Threads",
                    [
                        Line(
                            gathered(
                                "max",
                                "service_name, instance",
                                f"process_thread_count{{{SERVICE}}}",
                            )
                        )
                    ],
                ),
                Panel(
                    "Running since",
                    [
                        Line(
                            gathered(
                                "min",
                                "service_name, instance",
                                f"process_uptime_seconds{{{SERVICE}}}",
                            )
                        )
                    ],
                    "s",
                ),
            ],
        ),
        Row(
            "Bounds",
            [
                Panel(
                    "Deliverer: slots used",
                    [Line(USED)],
                    "percentunit",
                    warn=0.9,
                ),
                Panel(
                    "Deliverer: waits in memory",
                    [Line(gathered("max", "instance", "hookstream_lanes_waiting_size_bytes"))],
                    "bytes",
                ),
                Panel(
                    "Deliverer: deliveries in memory, webhooks known, turns remembered",
                    [
                        Line("sum(hookstream_lanes_waiting)", "wait"),
                        Line("sum(hookstream_turns_remembered)", "remembered"),
                        Line("sum(hookstream_lanes_known)", "webhooks"),
                    ],
                ),
                Panel(
                    "ingest: waits for Kafka",
                    [
                        Line(
                            gathered(
                                "max",
                                "instance",
                                WAITING,
                            )
                        )
                    ],
                    "percentunit",
                    warn=0.5,
                ),
                Panel(
                    "retry: in memory",
                    [Line(gathered("max", "instance", "hookstream_retry_held_size_bytes"))],
                    "bytes",
                ),
                Panel(
                    "status: the log is behind by",
                    [
                        Line(
                            gathered(
                                "max",
                                "messaging_destination_name",
                                "hookstream_status_oldest_unlogged_age_seconds",
                            )
                        )
                    ],
                    "s",
                    warn=60,
                ),
                Panel("Outbox", [Line("max(hookstream_outbox_depth)", "records")]),
                Panel(
                    "Console: under way",
                    [Line(gathered("sum", "instance", "http_server_active_requests"))],
                ),
                Panel(
                    "Callbacks",
                    [Line(f"sum(rate(hookstream_ingest_callbacks_total[{RATE}]))", "closed")],
                    "reqps",
                ),
            ],
        ),
    ],
    [service_variable()],
)
