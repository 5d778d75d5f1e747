"""The log of deliveries as one stream."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hookstream.model.records import Attempt
from services.console.api import log_export
from services.console.fresh import now_ms
from tests.console.conftest import Two
from tests.console.logged import log_delivery, log_event
from tests.console.served import Side
from tests.console.test_webhooks import refused

COLUMNS = [
    "transaction_id", "webhook", "webhook_name", "event", "event_type", "subject", "kind",
    "success", "state", "state_name", "reason", "attempts", "status", "error", "logged_at",
    "ended_at", "next_due_at",
]  # fmt: skip


def a_webhook(side: Side, name: str, **more: Any) -> str:
    made: str = side.made("/v1/webhooks", {"url": "https://example.com/", "name": name, **more})[
        "id"
    ]
    return made


def exported(side: Side, query: str = "") -> list[dict[str, Any]]:
    answer = side.call("GET", f"/v1/log/deliveries/export?{query}", role="viewer")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def test_all_is_exported_newest_first_over_many_pages_and_webhooks(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_export, "PAGE", 4)
    hooks = [a_webhook(two.ours, f"n{n}") for n in range(3)]
    start = now_ms()
    made = [
        log_delivery(two.pool, "ours", hooks[n % 3], f"e{n}", logged_at_ms=start + n // 2)
        for n in range(25)
    ]
    whole = [row["transaction_id"] for row in exported(two.ours)]
    assert sorted(whole) == sorted(made)
    assert [row["logged_at"] for row in exported(two.ours)] == sorted(
        (row["logged_at"] for row in exported(two.ours)), reverse=True
    )
    several = "&".join(f"webhook={hook}" for hook in [*hooks, hooks[0]])
    assert [row["transaction_id"] for row in exported(two.ours, several)] == whole
    of_one = [row["transaction_id"] for row in exported(two.ours, f"webhook={hooks[1]}")]
    assert sorted(of_one) == sorted(made[1::3])


def test_time_and_success_choose(two: Two) -> None:
    hook = a_webhook(two.ours, "n")
    start = now_ms()
    states = ["succeeded", "failed", "retrying", "succeeded", "parked", "cancelled"]
    made = [
        log_delivery(two.pool, "ours", hook, f"e{n}", logged_at_ms=start + n, result=state)
        for n, state in enumerate(states)
    ]

    def ids(query: str) -> list[str]:
        return [row["transaction_id"] for row in exported(two.ours, query)][::-1]

    assert ids("success=true") == [made[0], made[3]]
    assert ids("success=false") == ids(f"success=false&webhook={hook}")
    assert ids("success=false") == [made[n] for n in (1, 2, 4, 5)]
    assert ids(f"from={iso(start + 2)}&till={iso(start + 4)}") == made[2:4]
    assert ids(f"from={iso(start + 1)}&success=true&webhook={hook}") == [made[3]]


def test_a_row_tells_what_the_log_tells_and_no_header(two: Two) -> None:
    secret = {"key": "X-Private", "value": "planted-secret-value", "private": True}
    hook = a_webhook(two.ours, "crm", headers=[secret], policy="prefinery")
    event = log_event(two.pool, "ours", subject="user/7")
    attempt = Attempt(started_at_ms=0, duration_ms=3, error="timeout_answer")
    made = log_delivery(
        two.pool, "ours", hook, event, result="failed", reason="exhausted", attempt=attempt
    )
    (row,) = exported(two.ours)
    assert list(row) == COLUMNS
    assert {name: row[name] for name in COLUMNS[:14]} == {
        "transaction_id": made, "webhook": hook, "webhook_name": "crm", "event": event,
        "event_type": "contact.created", "subject": "c-1", "kind": "event", "success": False,
        "state": "failed", "state_name": "failed", "reason": "exhausted", "attempts": 1,
        "status": None, "error": "timeout_answer",
    }  # fmt: skip
    answer = two.ours.call("GET", "/v1/log/deliveries/export?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "deliveries.csv" in answer.headers["content-disposition"]
    assert "planted" not in answer.text
    head, cells = csv.reader(io.StringIO(answer.text))
    assert head == COLUMNS
    assert dict(zip(head, cells, strict=True)) == {
        name: "" if value is None else "false" if value is False else str(value)
        for name, value in row.items()
    }


def test_no_event_plants_a_formula_in_a_spreadsheet(two: Two) -> None:
    hook = a_webhook(two.ours, "n")
    log_delivery(two.pool, "ours", hook, "e", subject='=HYPERLINK("https://evil.example")')
    text = two.ours.call("GET", "/v1/log/deliveries/export?format=csv").text
    (_, cells) = csv.reader(io.StringIO(text))
    assert cells[COLUMNS.index("subject")] == '\'=HYPERLINK("https://evil.example")'


def test_tests_that_the_log_leaves_out_are_not_exported(two: Two) -> None:
    quiet, loud = (a_webhook(two.ours, n, policy=n) for n in ("prefinery", "standard"))
    for hook in (quiet, loud):
        log_delivery(two.pool, "ours", hook, "e", kind="test")
    assert [row["webhook"] for row in exported(two.ours)] == [loud]


def test_nothing_of_another_workspace_and_bad_questions_are_refused(two: Two) -> None:
    theirs = a_webhook(two.theirs, "n")
    log_delivery(two.pool, "theirs", theirs, "e")
    assert exported(two.ours) == []
    path = "/v1/log/deliveries/export?"
    for query, code, field in (
        (f"webhook={theirs}", "unknown_webhook", "webhook"),
        ("from=2026-01-02T00:00:00Z&till=2026-01-02T00:00:00Z", "empty_span", "till"),
        ("from=yesterday", "datetime_from_date_parsing", "from"),
        ("success=maybe", "bool_parsing", "success"),
        ("format=xml", "literal_error", "format"),
        ("&".join(f"webhook=w{n}" for n in range(51)), "too_long", "webhook"),
    ):
        refused(two.ours.call("GET", path + query), 422, code, field)
    refused(two.ours.call("GET", path, role="producer"), 403, "role_too_low", "")
