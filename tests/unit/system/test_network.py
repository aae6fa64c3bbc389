"""Which proxy an address goes through, whose certificates are believed; nothing of a proxy's address is ever told."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.errors import ConfigurationError
from videodb_listen.system import network
from videodb_listen.text import Secrets

HTTPS, WSS = "https://api.example/a", "wss://events.example:8443/?token=t"
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_"):
            monkeypatch.delenv(name)


def put(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "url", "variable"),
    [
        ({}, HTTPS, None),
        ({"HTTPS_PROXY": PROXY}, HTTPS, "HTTPS_PROXY"),
        ({"https_proxy": PROXY}, WSS, "HTTPS_PROXY"),
        ({"ALL_PROXY": PROXY}, HTTPS, "ALL_PROXY"),
        ({"ALL_PROXY": PROXY}, WSS, "ALL_PROXY"),
        ({"HTTPS_PROXY": PROXY, "ALL_PROXY": "socks5://h:1"}, WSS, "HTTPS_PROXY"),
        ({"WSS_PROXY": PROXY, "HTTPS_PROXY": "http://h:1"}, WSS, "WSS_PROXY"),
        ({"WSS_PROXY": PROXY}, HTTPS, None),
        ({"HTTP_PROXY": PROXY}, HTTPS, None),
        ({"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": PROXY}, "http://127.0.0.1/a", None),
        ({"HTTPS_PROXY": PROXY, "ALL_PROXY": PROXY}, "ws://127.0.0.1/a", None),
        ({"HTTPS_PROXY": ""}, HTTPS, None),
    ],
)
def test_an_address_goes_through_the_first_proxy_that_is_meant_for_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, variable: str | None
) -> None:
    put(monkeypatch, **variables)
    found = network.proxy_for(url)
    assert (found and found.variable, found and found.url) == (variable, variable and PROXY)


@pytest.mark.parametrize(
    ("no_proxy", "url", "excepted"),
    [
        ("api.example", HTTPS, True),
        (".example", HTTPS, True),
        ("example", WSS, True),
        ("events.example:8443", WSS, True),
        ("other.example", HTTPS, False),
        ("*", HTTPS, True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("localhost, 10.0.0.0/8 ,::1", "https://10.1.2.3:8443/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", HTTPS, False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("::1", "https://[::1]/", True),
        ("[, 1/2/3", HTTPS, False),
        ("", HTTPS, False),
    ],
)
def test_an_address_that_is_excepted_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, excepted: bool
) -> None:
    put(monkeypatch, HTTPS_PROXY=PROXY, NO_PROXY=no_proxy)
    assert (network.proxy_for(url) is None) is excepted


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("proxy.example:3128", PROXY),
        ("https://h", "https://h"),
        ("socks5h://h:1080/", "socks5h://h:1080/"),
        ("http://me:p%2Fw@h:1", "http://me:p%2Fw@h:1"),
        ("http://me:p@w@h:1", "http://me:p@w@h:1"),
        ("http://me@h:1", "http://me:@h:1"),
        ("http://me@[::1]:1", "http://me:@[::1]:1"),
    ],
)
def test_an_address_is_taken_as_people_write_it(monkeypatch: pytest.MonkeyPatch, given: str, taken: str) -> None:
    put(monkeypatch, ALL_PROXY=given)
    found = network.proxy_for(HTTPS)
    assert found is not None
    assert found.url == taken


SECRET = "HUNTER2"


@pytest.mark.parametrize(
    "address",
    [
        *(f"http://me:{SECRET}{odd}x@h.example:3128" for odd in "/?# \x1f"),
        *(f"http://me:1{odd}{SECRET}@h.example:3128" for odd in "/?#"),
        f"http://me:{SECRET}%FF@h.example:3128",
        f"{SECRET}://h.example:1",
        f"ftp://me:{SECRET}@h.example",
        f"http://h.example:{SECRET}",
        f"http://{SECRET}]h.example",
        f"http:{SECRET}",
        f"http://h.example/{SECRET}",
        f"http://me:{SECRET}@",
        f"http://h.example:99999999?{SECRET}",
    ],
)
def test_an_address_that_is_none_names_its_variable_and_shows_nothing_of_itself(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    put(monkeypatch, HTTPS_PROXY=address)
    with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY is not the address of a proxy; .*%2F") as failure:
        network.proxy_for(WSS)
    shown = f"{failure.value!r}{failure.value.__cause__}{failure.value}"
    assert SECRET not in shown
    assert "h.example" not in shown


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_no_address_whatever_it_holds_comes_through(text: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": f"xyzzy{text}xyzzy"})
        try:
            shown = repr(network.proxy_for(HTTPS))
        except ConfigurationError as exc:
            shown = f"{exc}{exc!r}"
    assert "xyzzy" not in shown


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('10.9.8.7', 3128)"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLCertVerificationError(1, "not valid for '10.9.8.7'"), "SSLCertVerificationError"),
        (ValueError("10.9.8.7"), "RuntimeError"),
    ],
)
def test_through_a_proxy_a_failure_is_told_in_no_words_of_its_address(exc: Exception, said: str) -> None:
    proxy = network.Proxy("HTTPS_PROXY", "http://10.9.8.7:3128")
    outer = RuntimeError("All connection attempts failed to 10.9.8.7")
    outer.__cause__ = exc
    assert network.why(outer, proxy, Secrets()) == said
    error = network.unreachable("it is away", outer, proxy, Secrets())
    assert error.message == f"it is away through the proxy of HTTPS_PROXY: {said}"
    assert error.fix == "check HTTPS_PROXY and NO_PROXY, then start again"


def test_without_a_proxy_a_failure_says_what_it_says_but_no_secret() -> None:
    exc = OSError(errno.ECONNREFUSED, "the header sk-secret is\nbad")
    assert network.why(exc, None, Secrets("sk-secret")) == r"[Errno 111] the header [secret] is\x0abad"
    assert "the network" in network.unreachable("it is away", exc, None, Secrets()).fix


def test_without_a_variable_the_authorities_are_those_of_the_machine() -> None:
    assert network.authorities() is None


def test_named_authorities_are_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import trustme

    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    put(monkeypatch, SSL_CERT_FILE=str(file))
    context = network.authorities()
    assert context is not None
    assert context.cert_store_stats()["x509_ca"] == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    put(monkeypatch, SSL_CERT_DIR=str(tmp_path))
    assert network.authorities() is not None


@pytest.mark.parametrize(
    ("variable", "content", "said"),
    [
        ("SSL_CERT_FILE", None, "cannot be read: No such file or directory"),
        ("SSL_CERT_FILE", b"", "holds no certificates"),
        ("SSL_CERT_FILE", b"nothing of the kind", "holds no certificates"),
        ("SSL_CERT_DIR", None, "is no directory"),
        ("SSL_CERT_DIR", b"", "is no directory"),
    ],
)
def test_authorities_that_are_gone_are_named_with_their_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: bytes | None, said: str
) -> None:
    file = tmp_path / "nowhere"
    if content is not None:
        file.write_bytes(content)
    put(monkeypatch, **{variable: str(file)})
    with pytest.raises(ConfigurationError, match=f"{variable} names {file}, which {said}") as failure:
        network.authorities()
    assert failure.value.fix == f"correct or unset {variable}"
