"""How this machine reaches others: through which proxy, and whose certificates it believes.

Variables that every program heeds say so: HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR. They are read
here, for HTTP and for the WebSocket alike. What an address does not use is not looked at, and cannot make it fail: in
the clear it goes to loopback only, past every proxy, and asks for no certificate.

A proxy's address can hold a password, often one that was not escaped, so that any part of the address can be a part of
it. Nothing of it is ever shown, be it wrong, refused or out of reach. The variable is named instead.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from videodb_listen.errors import ConfigurationError, Unavailable
from videodb_listen.text import Secrets, one_line

_VARIABLES = {"https": ("https", "all"), "wss": ("wss", "https", "all")}
"""Whose proxy an address goes through: the first that is set, each called `..._PROXY`. Others need none."""

_KINDS = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True)
class Proxy:
    """The proxy that `variable` names. Its `url` is a secret."""

    variable: str
    url: str = field(repr=False)

    def refused(self, status: int | None) -> Unavailable:
        """It answered so, None: without a status."""
        with_status = "" if status is None else f" with {status}"
        return Unavailable(f"the proxy of {self.variable} refused{with_status}", fix=self.fix)

    def unknown(self) -> ConfigurationError:
        """No package for its kind is installed."""
        return ConfigurationError(
            f"{self.variable} names a SOCKS proxy, and the packages for that are not installed",
            fix=f"pip install 'videodb-listen[socks]', or set {self.variable} to an HTTP proxy",
        )

    @property
    def fix(self) -> str:
        """What to do about it."""
        return f"check {self.variable} and NO_PROXY, then start again"


def proxy_for(url: str) -> Proxy | None:
    """The proxy that `url` goes through, None when it goes there itself.

    Raises ConfigurationError, which names the variable, when it is not the address of a proxy.
    """
    parts = urlsplit(url)
    named = (
        urllib.request.getproxies()
    )  # lower case names beat upper case ones; on macOS the system's settings come last
    scheme = next((scheme for scheme in _VARIABLES.get(parts.scheme, ()) if named.get(scheme)), None)
    if scheme is None or _is_excepted(parts.hostname or "", parts.port, named.get("no", "")):
        return None
    variable, address = f"{scheme.upper()}_PROXY", named[scheme]
    usable = _usable(address if "://" in address else f"http://{address}")
    if usable is None:
        raise ConfigurationError(
            f"{variable} is not the address of a proxy",
            fix=f"set {variable} to http://host:port (or https, socks5, socks5h), with /, #, ? and % in a password as "
            "%2F, %23, %3F and %25",
        )
    return Proxy(variable, usable)


def authorities() -> ssl.SSLContext | None:
    """A context that believes the certificate authorities that SSL_CERT_FILE and SSL_CERT_DIR name.

    None when neither is set: the machine's own. Raises ConfigurationError, which names file and variable, when one
    cannot be used.
    """
    file, directory = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    if directory is not None and not Path(directory).is_dir():
        raise _useless("SSL_CERT_DIR", directory, "is no directory")
    if file is None and directory is None:
        return None
    try:
        return ssl.create_default_context(cafile=file, capath=directory)
    except ssl.SSLError:
        raise _useless("SSL_CERT_FILE", file, "holds no certificates") from None
    except OSError as exc:
        raise _useless("SSL_CERT_FILE", file, f"cannot be read: {exc.strerror}") from None


def unreachable(what: str, exc: BaseException, proxy: Proxy | None, secrets: Secrets) -> Unavailable:
    """The error for `what` that failed with `exc` on the way through `proxy`, None: on the straight way."""
    said = why(exc, proxy, secrets)
    if proxy is None:
        return Unavailable(f"{what}: {said}")
    return Unavailable(f"{what} through the proxy of {proxy.variable}: {said}", fix=proxy.fix)


def why(exc: BaseException, proxy: Proxy | None, secrets: Secrets) -> str:
    """Why a connection failed, as `exc` says it without `secrets`; through a proxy, in no words of its address."""
    if proxy is None:
        return secrets.said(one_line(exc))
    cause: BaseException | None = exc
    while cause is not None:
        match cause:
            case ssl.SSLError():
                return str(getattr(cause, "reason", None) or type(cause).__name__)
            case socket.gaierror():
                return str(cause.strerror)
            case OSError(errno=int(number)):
                return os.strerror(number)
        cause = cause.__cause__ or cause.__context__
    return type(exc).__name__


def _usable(url: str) -> str | None:
    """`url` as every library takes it, None when it is not the address of a proxy."""
    try:
        parts = urlsplit(url)
        unquote(parts.netloc, errors="strict")
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in _KINDS or parts.path not in ("", "/"):
        return None
    if set("?# ") & set(url) or not url.isprintable():
        return None
    if parts.username is None or parts.password is not None:
        return url
    return f"{parts.scheme}://{parts.username}:@{parts.netloc.rpartition('@')[2]}"  # websockets wants a password, too


def _is_excepted(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether NO_PROXY names `host`, or a network that it is in."""
    if urllib.request.proxy_bypass(host if port is None else f"{host}:{port}") or urllib.request.proxy_bypass(host):
        return True
    for entry in no_proxy.split(","):
        with contextlib.suppress(ValueError):
            if "/" in entry and ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip(), strict=False):
                return True
    return False


def _useless(variable: str, value: str | None, said: str) -> ConfigurationError:
    return ConfigurationError(f"{variable} names {value}, which {said}", fix=f"correct or unset {variable}")
