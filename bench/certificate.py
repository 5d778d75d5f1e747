"""A certificate for receivers over HTTPS on 127.0.0.1, and its key: made for one run."""

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID = datetime.timedelta(days=2)


class Certificate(NamedTuple):
    """Files in PEM. The certificate signs itself: `SSL_CERT_FILE` makes services trust it."""

    cert: Path
    key: Path


def make(folder: Path) -> Certificate:
    """Write both into the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    files = Certificate(folder / "cert.pem", folder / "key.pem")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files.cert.write_bytes(_signed(key).public_bytes(pem))
    files.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return files


def _signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hookstream bench")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
