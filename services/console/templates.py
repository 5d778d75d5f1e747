"""Where a webhook's requests go and what they say, checked before it is saved (M1, M6, M7)."""

from hookstream.model.rendering import body_place
from hookstream.model.template import check_template
from hookstream.model.urls import check_part, check_url
from hookstream.store.integrations import IntegrationRow
from hookstream.store.webhooks import WebhookRow
from services.console.problems import must


def check_destination(url: str, integration: IntegrationRow | None, https_only: bool) -> None:
    """422 unless requests may go there, and to the integration's own host where it has one."""
    if integration is None:
        must(check_url(url, https_only))
        return
    must(check_part(integration.root_url, url))
    must(check_url(integration.root_url + url, https_only))


def check_body(row: WebhookRow) -> None:
    """422 where the body's template is none. A Content-Type header of its own comes first."""
    if row.template is None:
        return
    content_type = row.content_type
    for header in row.header_list():
        if header.name.lower() == "content-type" and not header.private:
            content_type = header.value.decode("latin-1")
    must(check_template(row.template, body_place(content_type)))
