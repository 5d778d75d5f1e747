"""The reader of queries that the test of dashboards stands on: it must find what is wrong."""

import pytest

from tests.system.promql import Unknown, labels

SERIES = [
    ("requests_count", {"status": "200", "route": "/a", "job": "x"}),
    ("requests_count", {"status": "500", "route": "/a", "job": "x"}),
    ("requests_bucket", {"le": "1", "route": "/a", "job": "x"}),
    ("up", {"job": "x"}),
]


@pytest.mark.parametrize(
    ("query", "yields"),
    [
        ("up", {"job"}),
        ("sum(up)", set()),
        ('sum by (status) (rate(requests_count{status="500"}[5m]))', {"status"}),
        ("sum(rate(requests_count[1h])) by (route)", {"route"}),
        ("sum without (status) (requests_count)", {"route", "job"}),
        (
            "histogram_quantile(0.9, sum by (le, route) (rate(requests_bucket[5m])))",
            {"route"},
        ),
        ('sum(rate(requests_count{status=~"5.."}[5m])) / sum(rate(requests_count[5m]))', set()),
        ("topk(3, max by (route) (requests_count)) > 0.5", {"route"}),
        ("(sum(up) or vector(0)) * 2", set()),
        ("requests_count / on (job) group_left (job) up", {"job", "status", "route"}),
    ],
)
def test_what_is_there_is_found(query: str, yields: set[str]) -> None:
    assert labels(query, SERIES) == yields


@pytest.mark.parametrize(
    "query",
    [
        "requests_total",
        "sum(rate(request_count[5m]))",
        'requests_count{code="200"}',
        'requests_count{status="404"}',
        'requests_count{code=~"2.."}',
        "sum by (host) (requests_count)",
        "sum by (status) (up)",
        "max by (route) (sum by (status) (requests_count))",
        "histogram_quantile(0.9, sum by (route) (rate(requests_bucket[5m])))",
        "requests_count / on (status) up_not",
        "sum(up",
        "up up",
        "rate(up[5m]) @@ 3",
    ],
)
def test_what_is_wrong_is_told(query: str) -> None:
    with pytest.raises(Unknown):
        labels(query, SERIES)
