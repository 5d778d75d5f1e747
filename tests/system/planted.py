"""Looking for a secret in everything the system keeps or says."""

import base64
from collections.abc import Iterable, Mapping
from urllib.parse import quote


def forms_of(secret: str) -> set[bytes]:
    """A secret as it may stand somewhere: as it is, quoted, in base64, in hex; its key alone."""
    plain = {secret.encode(), quote(secret, safe="").encode()}
    if secret.startswith("whsec_"):
        plain |= {secret[6:].encode(), base64.b64decode(secret[6:])}
    coded = {base64.b64encode(text).rstrip(b"=") for text in plain}
    return plain | coded | {text.hex().encode() for text in plain}


def found(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """(secret's name, place) wherever one of them stands, in whatever form."""
    forms = {name: forms_of(secret) for name, secret in secrets.items()}
    return sorted(
        (name, place)
        for place, text in places.items()
        for name, some in forms.items()
        if _any_in(some, text)
    )


def _any_in(forms: Iterable[bytes], text: bytes) -> bool:
    return any(form in text for form in forms)
