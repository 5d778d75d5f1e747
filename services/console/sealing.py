"""Secrets and private headers of a webhook: checked, then sealed before anything is saved."""

from typing import Any

import msgspec
from msgspec.structs import replace

from hookstream.model.headers import MAX_HEADERS, check_header, check_name, check_value
from hookstream.model.policy import Signature
from hookstream.model.records import Header, Webhook
from hookstream.model.seal import Keys, header_place, secret_place
from hookstream.model.signing import check_secret, header_of, public_key
from hookstream.model.template import check_template, has_expressions
from services.console.api.webhook_bodies import HeaderIn
from services.console.fresh import new_secret, nonce
from services.console.problems import Problem, must


def secret_for(signature: Signature, given: str | None) -> str | None:
    """The secret to seal: the one given, a new one where the scheme needs one, or none."""
    if signature.scheme == "none":
        if given is not None:
            hint = "send it in a private header, or take a policy that signs"
            raise Problem(
                422, "secret_unused", "the policy signs nothing", field="secret", hint=hint
            )
        return None
    if given is None:
        return new_secret(signature.scheme)
    must(check_secret(signature, given))
    return given


def signed_by(
    keys: Keys, workspace: str, webhook: str, signature: Signature, secret: str | None
) -> dict[str, Any]:
    """The columns of a webhook's row that signs by this secret alone, or by none."""
    if secret is None:
        return {"secrets": [], "secrets_until_ms": [], "public_keys": []}
    public = public_key(signature, secret)
    return {
        "secrets": [keys.seal(secret.encode(), secret_place(workspace, webhook), nonce())],
        "secrets_until_ms": [],
        "public_keys": [public] if public is not None else [],
    }


def sealed_headers(
    keys: Keys,
    workspace: str,
    webhook: str,
    given: list[HeaderIn],
    signature: Signature,
    before: tuple[Header, ...] = (),
) -> bytes:
    """The headers as the row holds them. A private one without a value keeps that of `before`."""
    _no_repeats(given)
    kept = {h.name.lower(): h for h in before if h.private}
    made = []
    for header in given:
        if header.value is None:
            made.append(replace(_kept(header, kept), name=header.key))
            continue
        value = _checked(header, signature)
        if header.private:
            value = keys.seal(value, header_place(workspace, webhook, header.key), nonce())
        dynamic = has_expressions(header.value)
        made.append(Header(name=header.key, value=value, private=header.private, dynamic=dynamic))
    return msgspec.msgpack.encode(made)


def must_fit(webhook: Webhook, field: str | None = None) -> None:
    """422 where a header of the webhook, an inherited one too, is the one that its policy signs in,
    or where its content type is no header's value.

    `field`: what the person changed, where that was not the header.
    """
    if webhook.content_type is not None:
        must(check_value("Content-Type", webhook.content_type.encode()), "content_type")
    for header in webhook.headers:
        must(check_name(header.name, header_of(webhook.policy.signature)), field)


def _checked(header: HeaderIn, signature: Signature) -> bytes:
    try:
        value = (header.value or "").encode("latin-1")
    except UnicodeEncodeError:
        detail = f"{header.key!r} has characters beyond Latin-1"
        field = f"headers.{header.key}"
        raise Problem(422, "invalid_header_value", detail, field=field) from None
    must(check_header(header.key, value, header_of(signature)))
    if has_expressions(header.value or ""):
        must(check_template(header.value or "", "header"), f"headers.{header.key}")
    return value


def _kept(header: HeaderIn, kept: dict[str, Header]) -> Header:
    found = kept.get(header.key.lower())
    if found is None or not header.private:
        field = f"headers.{header.key}"
        raise Problem(422, "header_without_value", "there is no value to keep", field=field)
    return found


def _no_repeats(given: list[HeaderIn]) -> None:
    if len({header.key.lower() for header in given}) != len(given) or len(given) > MAX_HEADERS:
        detail = f"a header stands there twice, or there are more than {MAX_HEADERS}"
        raise Problem(422, "header_repeated", detail, field="headers", hint="keep one of a name")
