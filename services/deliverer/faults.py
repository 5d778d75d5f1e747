"""Every way the HTTP engine can fail, translated once into our own kinds."""

import asyncio
import errno
import ssl

import aiohttp
import httpx2
from aiohttp.http_exceptions import HttpProcessingError

from hookstream.model.errors import FAULTS, ErrorKind
from services.deliverer.egress import AddressNotAllowed, NoSource

_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
_INVALID = aiohttp.ClientError, HttpProcessingError
_EXPIRED = {9, 10}  # OpenSSL: not yet valid, expired
_OTHER_NAME = {62, 63, 64}  # host, e-mail, address mismatch


class TransportFault(httpx2.TransportError):
    """The request brought no status. Its text is made for people and names no address of ours."""

    def __init__(self, kind: ErrorKind) -> None:
        super().__init__(FAULTS[kind].words)
        self.kind: ErrorKind = kind


class OutOfSockets(Exception):
    """This machine has no socket left: no receiver's fault, and no attempt of a delivery."""


def translate(error: BaseException) -> TransportFault | OutOfSockets:
    """Our name for an exception of the engine. Raises TypeError for one that is no such thing."""
    if isinstance(error, TransportFault):
        return error
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno in _OURS:
        return OutOfSockets(cause.strerror)
    return TransportFault(_kind(error, cause))


def _kind(error: BaseException, cause: BaseException) -> ErrorKind:
    for test in (_of_setup, _of_connecting, _of_exchange):
        kind = test(error, cause)
        if kind is not None:
            return kind
    raise TypeError(f"not an exception of the HTTP engine: {type(error).__name__}")


def _of_setup(error: BaseException, _: BaseException) -> ErrorKind | None:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate(error.certificate_error)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return "invalid_request"
    if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return "proxy"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name_not_found"
    if isinstance(error, ValueError) and not isinstance(error, ssl.SSLError):
        return "invalid_request"  # a header or a host that cannot be written
    return None


def _of_connecting(error: BaseException, cause: BaseException) -> ErrorKind | None:
    if isinstance(cause, AddressNotAllowed):
        return "address_not_allowed"
    if isinstance(cause, NoSource):
        return "unreachable"
    if isinstance(cause, ssl.SSLError):
        return _certificate(cause)
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return "tls_untrusted"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "timeout_connect"
    if not isinstance(error, aiohttp.ClientConnectorError):
        return None
    if isinstance(cause, ConnectionRefusedError):
        return "connection_refused"
    return "timeout_connect" if isinstance(cause, TimeoutError) else "unreachable"


def _of_exchange(error: BaseException, _: BaseException) -> ErrorKind | None:
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "timeout_answer"
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.UploadAbortedError | OSError):
        return "connection_lost"
    return "invalid_answer" if isinstance(error, _INVALID) else None


def _certificate(error: BaseException) -> ErrorKind:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "tls_name_mismatch" if isinstance(error, ssl.CertificateError) else "tls"
    if error.verify_code in _EXPIRED:
        return "tls_expired"
    return "tls_name_mismatch" if error.verify_code in _OTHER_NAME else "tls_untrusted"


def foreign_kind(error: httpx2.TransportError) -> ErrorKind:
    """The kind for another transport behind the seam, which has httpx's own exceptions."""
    if isinstance(error, TransportFault):
        return error.kind
    if isinstance(error, httpx2.ConnectTimeout):
        return "timeout_connect"
    if isinstance(error, httpx2.TimeoutException):
        return "timeout_answer"
    if isinstance(error, httpx2.ConnectError):
        return "unreachable"
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        return "invalid_request"
    if isinstance(error, httpx2.ProxyError):
        return "proxy"
    return "invalid_answer" if isinstance(error, httpx2.ProtocolError) else "connection_lost"
