"""The operator's and the sealing key of a data folder: made once, for its owner's eyes only."""

import base64
import os
import secrets
from pathlib import Path


def kept_key(folder: Path, name: str) -> str:
    """The key in `folder/name`: 32 random bytes in base64, made at the first call (mode 0600)."""
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, 0o600), "w") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text().strip()
