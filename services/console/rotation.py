"""Changing a webhook's secret without a lost event: old ones go on signing until their end. Pure.

All signatures stand beside each other in the standard schemes. Where a header carries one value,
the oldest secret in force signs (`hookstream.model.signing`): the receiver gets the time until its
end to accept the new one too.
"""

from typing import NamedTuple

from msgspec.structs import replace

from hookstream.model.signing import MOST_SECRETS
from hookstream.store.webhooks import WebhookRow
from services.console.problems import Problem


class Held(NamedTuple):
    """One secret of a webhook's row."""

    sealed: bytes
    until_ms: int
    """0: without end."""
    public_key: str | None


def held(row: WebhookRow, now_ms: int) -> list[Held]:
    """The secrets in force, newest first."""
    ends = [*row.secrets_until_ms, *(0 for _ in row.secrets)]
    public = [*row.public_keys, *(None for _ in row.secrets)]
    all_of_them = [Held(*each) for each in zip(row.secrets, ends, public, strict=False)]
    return [each for each in all_of_them if not each.until_ms or now_ms < each.until_ms]


def in_force(row: WebhookRow, now_ms: int) -> WebhookRow:
    """The row without the secrets that have ended."""
    kept = held(row, now_ms)
    return row if len(kept) == len(row.secrets) else _with(row, kept)


def rotated(before: WebhookRow, new: WebhookRow, now_ms: int, keep_ms: int) -> WebhookRow:
    """`new`, which has the new secret alone, with those of `before` for `keep_ms` at most.

    A secret that ends sooner by an earlier rotation does so. 409 where there would be too many.
    """
    end_ms = now_ms + keep_ms
    olds = held(before, now_ms) if keep_ms else []
    if len(olds) >= MOST_SECRETS:
        detail = f"{len(olds)} secrets are in force, and there can be {MOST_SECRETS} at once"
        hint = "wait until one has ended (`signing_keys`), or rotate with keep_s 0"
        raise Problem(409, "too_many_secrets", detail, hint=hint)
    ending = [old._replace(until_ms=min(old.until_ms or end_ms, end_ms)) for old in olds]
    return _with(new, [*held(new, now_ms), *ending])


def _with(row: WebhookRow, kept: list[Held]) -> WebhookRow:
    return replace(
        row,
        secrets=[each.sealed for each in kept],
        secrets_until_ms=[each.until_ms for each in kept] if any(e.until_ms for e in kept) else [],
        public_keys=[each.public_key for each in kept if each.public_key is not None],
    )
