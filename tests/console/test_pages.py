"""The plain page: who gets in, and that nothing said by others becomes markup."""

import httpx2

from tests.console.conftest import Two
from tests.console.logged import log_something
from tests.console.served import OPERATOR, call
from tests.console.test_webhooks import URL


def link(two: Two, workspace: str = "ours") -> str:
    path = f"/v1/workspaces/{workspace}/console-links"
    return str(call(two.url, OPERATOR, "POST", path, {}).json()["url"])


def test_a_link_opens_a_session_once(two: Two) -> None:
    made = link(two)
    assert made.startswith(f"{two.url}/?token=")
    with httpx2.Client(timeout=60) as browser:
        assert browser.get(two.url).status_code == 401
        entered = browser.get(made)
        assert entered.status_code == 200
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert browser.get(two.url).status_code == 200
        assert "ours" in browser.get(two.url).text
    with httpx2.Client(timeout=60) as other:
        assert other.get(made).status_code == 401
        assert other.get(two.url).status_code == 401


def test_the_page_shows_webhooks_and_deliveries_as_text_and_only_ours(two: Two) -> None:
    evil = "<script>alert(1)</script>"
    made = two.ours.made("/v1/webhooks", {"url": URL, "display_name": evil})
    log_something(two.pool, "ours", made["id"], result="failed", reason=evil)
    two.theirs.made("/v1/webhooks", {"url": "https://theirs.example.com"})
    with httpx2.Client(timeout=60) as browser:
        browser.get(link(two))
        page = browser.get(two.url)
    assert URL in page.text
    assert "failed" in page.text
    assert "12 ms" in page.text
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "theirs" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
