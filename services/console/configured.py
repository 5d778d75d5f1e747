"""From what a person asked for to a webhook's row: checks, defaults, sealing."""

import difflib
from typing import Any

import msgspec

from hookstream.model.checks import is_type
from hookstream.model.expression import check_extract
from hookstream.model.ids import is_id
from hookstream.model.operational import TYPES
from hookstream.model.policy import Policy
from hookstream.model.seal import Keys
from hookstream.store.integrations import IntegrationRow
from hookstream.store.webhooks import WebhookRow
from services.console.api.webhook_bodies import WebhookChange, WebhookIn
from services.console.fresh import new_id, new_name
from services.console.integrating import unfit_lane
from services.console.problems import Problem, must
from services.console.retries import retry_columns, unfit
from services.console.rules import default_content_type
from services.console.sealing import sealed_headers, secret_for, signed_by
from services.console.templates import check_body, check_destination

_NOT_PLAIN = {
    "version", "name", "headers", "secret", "headers_off", "properties", "extract", "retry"
}  # fmt: skip


def new_row(
    body: WebhookIn,
    workspace: str,
    policy: Policy,
    integration: IntegrationRow | None,
    keys: Keys,
) -> tuple[WebhookRow, str | None]:
    """A new webhook's row, and its secret in clear, to be shown once where we made it up."""
    name = body.name if body.name is not None else new_name()
    check_name(name)
    check_events(body.events)
    must(check_extract(body.extract))
    if integration is None and not body.url:
        raise Problem(422, "missing", "url is required", field="url")
    check_destination(body.url, integration, policy.https_only)
    webhook, secret = new_id("wh"), secret_for(policy.signature, body.secret)
    given = body.content_type if "content_type" in body.model_fields_set else None
    implied = "content_type" not in body.model_fields_set
    row = WebhookRow(
        id=webhook,
        workspace=workspace,
        name=name,
        display_name=body.display_name,
        description=body.description,
        state=body.state,
        url=body.url,
        method=body.method,
        events=body.events,
        policy=policy.id,
        **signed_by(keys, workspace, webhook, policy.signature, secret),
        headers=sealed_headers(keys, workspace, webhook, body.headers, policy.signature),
        content_type=default_content_type(policy.id) if implied else given,
        rate_per_s=body.rate_per_s,
        max_in_flight=body.max_in_flight,
        send_traceparent=body.send_traceparent,
        integration=body.integration,
        headers_off=[name.lower() for name in body.headers_off],
        sources=body.sources,
        template=body.template,
        properties=_json_or_none(body.properties),
        extract=msgspec.json.encode(body.extract),
        shards=body.shards,
    )
    row = msgspec.structs.replace(row, **retry_columns(body.retry))
    must(unfit(row, policy))
    must(unfit_lane(row))
    check_body(row)
    return row, secret


def changed_row(
    before: WebhookRow,
    body: WebhookChange,
    old: Policy,
    new: Policy,
    integration: IntegrationRow | None,
    keys: Keys,
) -> tuple[WebhookRow, str | None]:
    """The row one version later, and a new secret in clear where the change brought one."""
    if body.name is not None and body.name != before.name:
        hint = "copy the webhook under another name"
        raise Problem(422, "name_fixed", "a system name never changes", field="name", hint=hint)
    plain = body.model_dump(exclude_unset=True, exclude=_NOT_PLAIN) | _converted(body)
    after = msgspec.structs.replace(before, version=before.version + 1, **plain)
    check_events(after.events)
    must(unfit(after, new))
    must(unfit_lane(after))
    check_destination(after.url, integration, new.https_only)
    sealed: dict[str, Any] = {}
    secret = _new_secret(body, old, new)
    if secret is not None or old.signature.scheme != new.signature.scheme:
        sealed = signed_by(keys, before.workspace, before.id, new.signature, secret)
    if body.headers is not None:
        sealed["headers"] = sealed_headers(
            keys, before.workspace, before.id, body.headers, new.signature, before.header_list()
        )
    after = msgspec.structs.replace(after, **sealed)
    check_body(after)
    return after, secret


def _converted(body: WebhookChange) -> dict[str, Any]:
    """The given fields whose columns hold something else than what was given."""
    given: dict[str, Any] = {}
    if body.headers_off is not None:
        given["headers_off"] = [name.lower() for name in body.headers_off]
    if "properties" in body.model_fields_set:
        given["properties"] = _json_or_none(body.properties)
    if body.extract is not None:
        must(check_extract(body.extract))
        given["extract"] = msgspec.json.encode(body.extract)
    if "retry" in body.model_fields_set:
        given |= retry_columns(body.retry)
    return given


def _json_or_none(value: Any) -> bytes | None:
    return None if value is None else msgspec.json.encode(value)


def check_name(name: str) -> None:
    """422 unless `name` may be a system name."""
    if not is_id(name):
        detail = "a system name is 1 to 64 of A-Z a-z 0-9 _ -"
        raise Problem(
            422, "invalid_name", detail, field="name", hint="leave it out and one is made"
        )


def check_events(patterns: list[str]) -> None:
    """422 unless each is an event type, `*`, or the beginning of types and `*`."""
    for pattern in patterns:
        if pattern != "*" and not is_type(pattern.removesuffix("*").rstrip(".:/-") or "!"):
            hint = "such as `contact.created`, `contact.*` or `*`"
            detail = f"{pattern[:80]!r} names no event types"
            raise Problem(422, "invalid_events", detail, field="events", hint=hint)


def check_known(patterns: list[str], names: list[str]) -> None:
    """422 for a type that is not in the catalogue, of a workspace that refuses unknown types;
    operational ones are in none."""
    for pattern in patterns:
        if not pattern.endswith("*") and pattern not in names and pattern not in TYPES:
            near = difflib.get_close_matches(pattern, names, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "add it to the catalogue first"
            detail = f"{pattern!r} is not in the catalogue"
            raise Problem(422, "unknown_type", detail, field="events", hint=hint)


def _new_secret(body: WebhookChange, old: Policy, new: Policy) -> str | None:
    if body.secret is not None or old.signature.scheme != new.signature.scheme:
        return secret_for(new.signature, body.secret)
    return None
