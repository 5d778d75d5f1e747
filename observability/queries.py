"""The queries that dashboards are made of.

Rates and delays are by service, result or topic: who a webhook belongs to is no label.
"""

from observability.panels import Line, Panel

RATE = "$__rate_interval"
SERVICE = 'service_name=~"$service"'
QUANTILES = (0.5, 0.95, 0.99)


def gathered(how: str, by: str, what: str) -> str:
    """`max by (a, b) (what)` and the like."""
    return f"{how} by ({by}) ({what})"


def rate(metric: str, by: str, matching: str = "") -> str:
    """How many a second, by some labels."""
    return f"sum by ({by}) (rate({metric}{{{matching}}}[{RATE}]))"


def per_second(metric: str, result: str) -> str:
    """How many a second with this result, over five minutes."""
    return f'sum(rate({metric}{{hookstream_result="{result}"}}[5m]))'


def taken(by: str = "", matching: str = "") -> str:
    """The share of requests that receivers took."""
    good = f'hookstream_result=~"succeeded|waiting"{matching and ", "}{matching}'
    total = f"sum {by}(rate(webhook_delivery_attempts_total{{{matching}}}[{RATE}]))"
    return f"sum {by}(rate(webhook_delivery_attempts_total{{{good}}}[{RATE}])) / {total}"


def quantiles(histogram: str, matching: str = "") -> list[Line]:
    """Median, p95, p99 of all services together."""
    return [Line(quantile(q, histogram, "", matching), f"p{q * 100:g}") for q in QUANTILES]


def quantile(q: float, histogram: str, by: str = "", matching: str = "") -> str:
    """One of them, by some labels."""
    wanted = f"le, {by}" if by else "le"
    buckets = f"rate({histogram}_bucket{{{matching}}}[{RATE}])"
    return f"histogram_quantile({q}, sum by ({wanted}) ({buckets}))"


def share_within(histogram: str, seconds: str, matching: str = "") -> str:
    """The share of values that are no larger; Prometheus 2 and 3 write the bucket differently."""
    bucket = f'le=~"{seconds}([.]0)?"'
    both = f"{matching}, {bucket}" if matching else bucket
    return (
        f"sum(rate({histogram}_bucket{{{both}}}[{RATE}]))"
        f" / sum(rate({histogram}_count{{{matching}}}[{RATE}]))"
    )


def stat(title: str, expr: str, unit: str, warn: float | None = None, says: str = "") -> Panel:
    """One number."""
    return Panel(title, [Line(expr)], unit, "stat", 4, 4, says, warn)


UNREAD = (
    'max(hookstream_consumer_oldest_unread_age_seconds{messaging_consumer_group_name!="retry"})'
)
REQUESTS = "http_server_request_duration_seconds"
LATENCY = "webhook_delivery_latency_seconds"
STAGE = "webhook_delivery_stage_duration_seconds"
INGEST = 'service_name="hookstream-ingest"'
CONSOLE = 'service_name="hookstream-console"'
LIVE = 'messaging_consumer_group_name!="retry"'
FIRST = 'hookstream_attempt="first"'
