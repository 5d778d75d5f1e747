"""From what people configured to the one record that router and deliverer need."""

from hookstream.model.policy import Policy
from hookstream.model.records import Webhook
from hookstream.store.webhooks import WebhookRow


def compile_webhook(row: WebhookRow, policy: Policy) -> Webhook:
    """The webhook with its policy merged in by value; secrets stay sealed. Pure."""
    return Webhook(
        id=row.id,
        workspace=row.workspace,
        version=row.version,
        name=row.name,
        state=row.state,
        url=row.url,
        method=row.method,
        events=tuple(row.events),
        lane=row.id,
        policy=policy,
        secrets=tuple(row.secrets),
        headers=row.header_list(),
        content_type=row.content_type,
        rate_per_s=row.rate_per_s,
        max_in_flight=row.max_in_flight,
        send_traceparent=row.send_traceparent,
    )
