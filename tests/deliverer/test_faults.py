"""Every exception of the HTTP engine has one name of ours."""

import errno
import inspect
import re
import ssl
from typing import Any, get_args

import aiohttp
import httpx2
import pytest
from aiohttp import client_exceptions
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from hookstream.model.errors import FAULTS, ErrorKind
from services.deliverer.egress import AddressNotAllowed
from services.deliverer.faults import OutOfSockets, TransportFault, foreign_kind, translate

KEY = ConnectionKey("example.com", 443, True, True, None, None, None)
INFO = aiohttp.RequestInfo(URL("http://x"), "POST", Any, URL("http://x"))  # type: ignore[arg-type]
CLASSES = [
    found
    for _, found in inspect.getmembers(client_exceptions, inspect.isclass)
    if issubclass(found, aiohttp.ClientError)
]


def instance(cls: type[BaseException]) -> BaseException:
    if issubclass(cls, aiohttp.ClientConnectorCertificateError):
        return cls(KEY, cert(18))
    if issubclass(cls, client_exceptions.UnixClientConnectorError):
        return cls("/tmp/x", KEY, OSError(1, "x"))
    if issubclass(cls, aiohttp.ClientConnectorSSLError):
        return cls(KEY, ssl.SSLError(1, "x"))
    if issubclass(cls, aiohttp.ClientConnectorError):
        return cls(KEY, OSError(1, "x"))
    if issubclass(cls, aiohttp.ClientResponseError):
        return cls(INFO, ())
    if issubclass(cls, aiohttp.ServerFingerprintMismatch):
        return cls(b"", b"", "h", 1)
    return cls("x")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_is_mapped(cls: type[BaseException]) -> None:
    fault = translate(instance(cls))
    assert isinstance(fault, TransportFault)
    assert fault.kind in FAULTS


def test_every_kind_has_words_that_name_no_address() -> None:
    assert set(FAULTS) == set(get_args(ErrorKind))
    assert not any(re.search(r"\d+\.\d+\.|::|:\d", fault.words) for fault in FAULTS.values())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("connection_refused", "refused: nothing listens"),
        ("name_not_found", "name not found: check the host"),
        ("tls_expired", "certificate expired"),
        ("tls_name_mismatch", "certificate is for another host name"),
        ("address_not_allowed", "address not allowed: the host must be public"),
        ("timeout_connect", "no connection in time: check"),
        ("timeout_answer", "no answer in time: answer first, work later"),
    ],
)
def test_the_words_say_what_a_person_can_do(kind: ErrorKind, said: str) -> None:
    assert said in FAULTS[kind].words


def cert(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("x")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection_refused"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "timeout_connect"),
        (OSError(errno.EHOSTUNREACH, "x"), "unreachable"),
        (AddressNotAllowed(), "address_not_allowed"),
        (cert(10), "tls_expired"),
        (cert(62), "tls_name_mismatch"),
        (cert(18), "tls_untrusted"),
        (ssl.SSLError(1, "x"), "tls"),
    ],
)
def test_causes_of_a_failed_connection(cause: OSError, kind: ErrorKind) -> None:
    fault = translate(aiohttp.ClientConnectorError(KEY, cause))
    assert isinstance(fault, TransportFault)
    assert fault.kind == kind


def test_an_exhausted_machine_is_no_receivers_fault() -> None:
    error = aiohttp.ClientConnectorError(KEY, OSError(errno.EMFILE, "Too many open files"))
    assert isinstance(translate(error), OutOfSockets)


def test_what_is_no_exception_of_the_engine_is_not_swallowed() -> None:
    with pytest.raises(TypeError, match="KeyError"):
        translate(KeyError())


TRANSPORT_ERRORS = [
    found
    for _, found in inspect.getmembers(httpx2, inspect.isclass)
    if issubclass(found, httpx2.TransportError) and found is not TransportFault
]


@pytest.mark.parametrize("cls", TRANSPORT_ERRORS, ids=lambda cls: cls.__name__)
def test_another_transports_exceptions_have_a_kind_too(cls: type[httpx2.TransportError]) -> None:
    assert foreign_kind(cls("x")) in FAULTS
