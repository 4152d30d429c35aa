"""Exposure: what must be in place before anything listens beyond loopback, and TLS."""

import ipaddress
import ssl
from pathlib import Path
from typing import Any

import grpc

from pipeline.errors import BadSetting
from pipeline.settings import Receiver


def require_guarded(settings: Receiver) -> None:
    """Refuse to be reachable from other machines without TLS and tokens.

    Raises:
        BadSetting: the host is not loopback, and TLS or tokens (or client certificates) are
            missing; or the TLS settings do not belong together.
    """
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise BadSetting("[receiver] tls_cert and tls_key go together; give both")
    if settings.tls_client_ca and not settings.tls_cert:
        raise BadSetting("[receiver] tls_client_ca goes with tls_cert and tls_key; give them too")
    if is_loopback(settings.host) or settings.insecure:
        return
    missing = []
    if not settings.tls_cert:
        missing.append("TLS (tls_cert, tls_key)")
    if not settings.tokens_file and not settings.tls_client_ca:
        missing.append("identity (tokens_file or tls_client_ca)")
    if missing:
        raise BadSetting(
            f"[receiver] host {settings.host} can be reached from other machines, without "
            f"{' and '.join(missing)}; set them, listen on 127.0.0.1, or say --insecure"
        )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.1")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def grpc_credentials(settings: Receiver) -> Any:
    """Give gRPC's credentials; None without TLS.

    Raises:
        BadSetting: a file cannot be read.
    """
    if not settings.tls_cert:
        return None
    pair = (_read(settings.tls_key), _read(settings.tls_cert))
    authority = _read(settings.tls_client_ca) if settings.tls_client_ca else None
    return grpc.ssl_server_credentials(
        [pair], root_certificates=authority, require_client_auth=authority is not None
    )


def http_context(settings: Receiver) -> ssl.SSLContext | None:
    """Give the TLS context of HTTP; None without TLS.

    Raises:
        BadSetting: a file cannot be read or is no PEM file.
    """
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
        if settings.tls_client_ca:
            context.load_verify_locations(settings.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise BadSetting(f"[receiver] {settings.tls_cert}: {error}; give PEM files") from error
    return context


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise BadSetting(f"[receiver] {file}: {error.strerror}; give a PEM file") from error
