"""What commands ask of the management API and of ingest."""

from typing import Any, Self

import httpx2
from click import ClickException

_TIMEOUT_S = 30.0


class Refused(ClickException):
    """The API said no, or nothing at all (`status` 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """One address with one key. Every refusal ends the command with the API's own words."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx2.Client(
            base_url=url,
            headers={"authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def post(self, path: str, body: Any, *, fine: tuple[int, ...] = (200, 201, 202)) -> Any:
        """What came back; ClickException unless the status is one of `fine`."""
        return _answer(self._client.post(path, json=body), fine)

    def patch(self, path: str, body: Any) -> Any:
        """What came back."""
        return _answer(self._client.patch(path, json=body), (200, 202))

    def post_raw(self, path: str, body: bytes, kind: str = "application/json", **more: str) -> Any:
        """The same for bytes that are JSON already, with more headers."""
        headers = {"content-type": kind, **more}
        return _answer(self._client.post(path, content=body, headers=headers), (200, 202, 207))

    def get(self, path: str) -> Any:
        """What came back."""
        return _answer(self._client.get(path), (200,))

    def get_raw(self, path: str) -> bytes:
        """The bytes that came back."""
        try:
            answer = self._client.get(path)
        except httpx2.TransportError as error:
            raise Refused(0, f"{path}: {error or type(error).__name__}") from error
        _answer(answer, (200,))
        return answer.content

    def delete(self, path: str) -> Any:
        """What came back."""
        return _answer(self._client.delete(path), (200, 202))


def _answer(response: httpx2.Response, fine: tuple[int, ...]) -> Any:
    if response.status_code not in fine:
        where = f"{response.request.method} {response.request.url.path}"
        message = f"{where}: {response.status_code} {response.text[:500]}"
        raise Refused(response.status_code, message)
    return response.json() if response.content else None
