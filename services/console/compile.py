"""From what people configured to the one record that router and deliverer need."""

import msgspec
from msgspec.structs import replace

from hookstream.model.policy import Policy
from hookstream.model.records import Header, Webhook
from hookstream.model.template import has_expressions
from hookstream.store.integrations import IntegrationRow
from hookstream.store.webhooks import WebhookRow


def compile_webhook(
    row: WebhookRow, policy: Policy, integration: IntegrationRow | None = None
) -> Webhook:
    """The webhook, its integration and its policy merged in by value; secrets stay sealed. Pure."""
    shared = integration
    url = full_url(row.url, shared)
    headers = headers_of(row, shared)
    return Webhook(
        id=row.id,
        workspace=row.workspace,
        version=row.version,
        name=row.name,
        state=row.state,
        url=url,
        method=row.method,
        events=tuple(row.events),
        lane=row.id if shared is None else shared.id,
        policy=with_own_retries(policy, row),
        secrets=tuple(row.secrets),
        headers=headers,
        content_type=row.content_type,
        rate_per_s=row.rate_per_s if shared is None else shared.rate_per_s,
        max_in_flight=row.max_in_flight,
        send_traceparent=row.send_traceparent,
        secrets_until_ms=tuple(row.secrets_until_ms),
        sources=tuple(row.sources),
        template=row.template,
        dynamic=has_expressions(url) or any(header.dynamic for header in headers),
        properties=row.properties,
        extract=msgspec.json.decode(row.extract, type=dict[str, str]),
        shards=row.shards if shared is None else shared.shards,
        was_verified=row.verified_url is not None,
    )


def with_own_retries(policy: Policy, row: WebhookRow) -> Policy:
    """The policy, with the retries that it lets this webhook choose (P6)."""
    delay, requests = row.retry_delay_ms, row.retry_requests
    if policy.most_requests is None or delay is None or requests is None:
        return policy
    theirs = policy.schedule
    own = replace(
        theirs,
        kind="fixed",
        delays_ms=(delay,),
        max_delay_ms=max(delay, theirs.max_delay_ms),
        max_requests=requests,
        jitter=0.0,
    )
    return replace(policy, schedule=own)


def full_url(url: str, integration: IntegrationRow | None) -> str:
    """Where requests go: the URL, or the integration's root with the webhook's part added (M1)."""
    return url if integration is None else integration.root_url + url


def headers_of(row: WebhookRow, shared: IntegrationRow | None) -> tuple[Header, ...]:
    """Inherited ones that are neither switched off nor replaced, then the webhook's own (M5)."""
    own = row.header_list()
    if shared is None:
        return own
    hidden = {*row.headers_off, *(header.name.lower() for header in own)}
    inherited = (h for h in shared.header_list() if h.name.lower() not in hidden)
    return (*(replace(h, owner=shared.id) for h in inherited), *own)
