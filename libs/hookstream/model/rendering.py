"""A webhook's templates: URL, headers and body (M6, M7), parsed once a version.

They share one bound, so that a request with thirty headers costs no more than one with none.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from hookstream.model.escape import loaded
from hookstream.model.headers import MAX_VALUE, check_value
from hookstream.model.records import Webhook
from hookstream.model.template import MAX_TEXT, Place, Rendered, Steps, Template
from hookstream.model.template_syntax import TemplateError, has_expressions
from hookstream.model.urls import MAX_URL, check_rendered, origin

RawHeader = tuple[bytes, bytes]
_JSON = re.compile(r"\s*[a-z]+/(?:[a-z0-9.+-]+\+)?json\s*(?:;|$)", re.I)
_FORM = re.compile(r"\s*application/x-www-form-urlencoded\s*(?:;|$)", re.I)


class RenderedRequest(Struct, frozen=True):
    """What the templates of a webhook have come to. Its headers may hold secrets."""

    url: str
    headers: tuple[RawHeader, ...]
    body: bytes | None
    """None where the policy's envelope makes it."""
    uses_transaction_id: bool


def body_place(content_type: str | None) -> Place:
    """How values are escaped in a body of this content type."""
    if content_type is not None and _JSON.match(content_type):
        return "json"
    return "form" if content_type is not None and _FORM.match(content_type) else "text"


class Rendering:
    """The parsed templates of one webhook version. Raises `TemplateError` where one is none.

    `headers`: its own and inherited ones, in clear; `private`: names, in small letters, of those
    of whose values no message may tell.
    """

    __slots__ = ("_body", "_headers", "_origin", "_place", "_url", "parts", "properties", "static")

    def __init__(
        self, webhook: Webhook, headers: tuple[RawHeader, ...], private: frozenset[str]
    ) -> None:
        place = body_place(_content_type(webhook, headers))
        self._origin, self._place = origin(webhook.url), place
        self._url = _template(webhook.url, "url", "URL", MAX_URL)
        self._headers = [_Header(name, value, private) for name, value in headers]
        self._body = None
        if webhook.template is not None:
            self._body = _Named(webhook.template, place, "body", MAX_TEXT)
        self.properties = None if webhook.properties is None else loaded(webhook.properties)
        self.static = webhook.url
        templates = [self._url, self._body, *(header.template for header in self._headers)]
        self.parts = sum(template.parts for template in templates if template is not None)

    def render(self, values: Mapping[str, object], with_body: bool) -> RenderedRequest:
        """The request's texts. Raises `TemplateError`, in words without private values."""
        steps, used = Steps(), False
        url = self._url.render(values, steps) if self._url else self.static
        fault = check_rendered(self._origin, url) if self._url else None
        if fault is not None:
            raise TemplateError(f"URL: {fault}")
        made: list[RawHeader] = []
        for header in self._headers:
            value = header.value
            if header.template is not None:
                text = header.template.render(values, steps)
                used |= text.uses_transaction_id
                value = header.checked(text)
            made.append((header.name, value))
        body = None
        if self._body is not None and with_body:
            text = self._body.render(values, steps)
            used |= text.uses_transaction_id
            body = text.encode()
            if self._place == "json":
                _check_json(body)
        used |= isinstance(url, Rendered) and url.uses_transaction_id
        return RenderedRequest(str(url), tuple(made), body, used)


class _Named(Template):
    """A template that says where it stands when it fails."""

    __slots__ = ("_name", "_told")

    def __init__(self, text: str, place: Place, name: str, limit: int, told: bool = True) -> None:
        self._name, self._told = name, told
        try:
            super().__init__(text, place, limit)
        except TemplateError as error:
            raise self.fault(str(error)) from None

    def render(self, values: Mapping[str, object], steps: Steps | None = None) -> Rendered:
        try:
            return super().render(values, steps)
        except TemplateError as error:
            raise self.fault(str(error)) from None

    def fault(self, what: str) -> TemplateError:
        """The error, named. Of a private value nothing is told but that there is one."""
        shown = what if self._told else "cannot be rendered; its value is private"
        return TemplateError(f"{self._name}: {shown}")


class _Header:
    __slots__ = ("name", "template", "value")

    def __init__(self, name: bytes, value: bytes, private: frozenset[str]) -> None:
        self.name, self.value = name, value
        self.template: _Named | None = None
        text, named = value.decode("latin-1"), name.decode()
        if has_expressions(text):
            told = named.lower() not in private
            self.template = _Named(text, "header", f"header {named}", MAX_VALUE, told)

    def checked(self, text: str) -> bytes:
        """The value as it may be sent."""
        assert self.template is not None  # noqa: S101 - asked before
        value = text.strip(" \t").encode("latin-1")
        refusal = check_value(self.name.decode(), value)
        if refusal is not None:
            raise self.template.fault(refusal.detail)
        return value


def _template(text: str, place: Place, name: str, limit: int) -> _Named | None:
    return _Named(text, place, name, limit) if has_expressions(text) else None


def _content_type(webhook: Webhook, headers: tuple[RawHeader, ...]) -> str | None:
    for name, value in headers:
        if name.lower() == b"content-type":
            return value.decode("latin-1")
    return webhook.content_type


def _check_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TemplateError(f"body: not JSON once rendered: {error}"[:300]) from None
