"""The route to SuperOffice: proxies, certificate authorities and client certificates."""

import asyncio
import logging
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import Settings, create_app
from gateway.errors import SettingsError
from gateway.upstream.route import Proxy, Route
from tests.observe.logged import logged
from tests.support import CREDENTIALS, running
from tests.upstream.faulty import (
    DATA,
    QUERY,
    answer,
    ask,
    faulty_rest,
    gateway_to,
    leaks_in,
)
from tests.upstream.test_reach import problem_of
from tests.upstream.test_unreachable import needs_openssl, openssl, serving
from tests.upstream.tiny_proxy import LOGIN, tiny_proxy

pytestmark = pytest.mark.socket

REST = "https://crm.example.com"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's proxies from the environment."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Write certificates and keys of a server, a client and an unknown client."""
    for name in ("rest", "client", "other"):
        openssl(
            tmp_path,
            f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key "
            f"-out {name}.pem -days 2 -subj /O={name} "
            "-addext subjectAltName=IP:127.0.0.1",
        )
    return tmp_path


def requiring_client_certificate(folder: Path) -> ssl.SSLContext:
    """Return the server's TLS context, which requires the client's certificate."""
    context = serving(folder)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "client.pem")
    return context


def client_files(folder: Path, client: str = "client") -> dict[str, Any]:  # keyword arguments
    """Return the settings with a client's files."""
    return {
        "upstream_ca_file": folder / "rest.pem",
        "upstream_client_cert": folder / f"{client}.pem",
        "upstream_client_key": folder / f"{client}.key",
    }


@pytest.mark.parametrize(
    ("environment", "setting", "url", "proxy"),
    [
        ({}, None, REST, None),
        ({}, "http://p:1", REST, "http://p:1"),
        ({}, "p:1", "http://127.0.0.1:8", "http://p:1"),
        ({"HTTPS_PROXY": "http://e:2"}, "http://p:1", REST, "http://p:1"),
        ({"HTTPS_PROXY": "e:2", "NO_PROXY": "*"}, "http://p:1", REST, "http://p:1"),
        ({"HTTPS_PROXY": "http://u:pw@e:2"}, None, REST, "http://e:2"),
        ({"https_proxy": "e:2"}, None, REST, "http://e:2"),
        ({"HTTPS_PROXY": "e:2"}, None, "http://crm.example.com", None),
        ({"HTTP_PROXY": "e:2"}, None, "http://crm.example.com", "http://e:2"),
        ({"HTTPS_PROXY": "e:2", "NO_PROXY": "a,.example.com"}, None, REST, None),
        ({"HTTPS_PROXY": "e:2", "NO_PROXY": "crm.example.com:443"}, None, REST, None),
        ({"HTTPS_PROXY": "e:2", "NO_PROXY": "crm.example.com:8443"}, None, REST, "http://e:2"),
        ({"HTTPS_PROXY": "e:2"}, None, "https://127.0.0.1:8", None),
        ({"HTTPS_PROXY": "socks5://e:2", "NO_PROXY": ".example.com"}, None, REST, None),
    ],
    ids=str,
)
def test_a_setting_wins_over_the_environment(
    environment: dict[str, str],
    setting: str | None,
    url: str,
    proxy: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A setting takes precedence over the environment, whose NO_PROXY then does not count."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    route = Route(
        Settings.load(upstream_url=url, **({"upstream_proxy": setting} if setting else {}))
    )
    chosen = route.proxy_for(httpx.URL(url))

    assert (chosen and str(chosen.url)) == proxy


INVALID = ["socks5://u:hunter2@p", "http://u:hunter2@:1", "//u:hunter2@[p", "http://p..example:1"]
INVALID += ["http://u:1/hunter2@p", "http://u:1#hunter2@p", f"http://{'p' * 64}.example"]
INVALID += ["http://u:hunter2@p:99999", "http://u:hunter2@p:0"]


@pytest.mark.parametrize("url", INVALID)
def test_an_invalid_proxy_is_a_settings_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting or the variable, and not the password."""
    with pytest.raises(SettingsError, match=r"^GATEWAY_UPSTREAM_PROXY: it must be http") as failed:
        Route(Settings.load(upstream_url=REST, upstream_proxy=url))
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY: it must be http") as also_failed:
        Route(Settings(upstream_url=REST))

    assert "hunter2" not in f"{failed.value}{also_failed.value}"


def test_a_password_is_decoded_and_not_shown() -> None:
    """A proxy's password is sent decoded in one header, and is in no repr."""
    proxy = Proxy("http://gateway:p%40ss-hunter2@proxy:3128")

    assert proxy.headers == {"Proxy-Authorization": "Basic Z2F0ZXdheTpwQHNzLWh1bnRlcjI="}
    assert "hunter2" not in f"{proxy!r}{proxy.url!r}{proxy.url}"


@needs_openssl
def test_unusable_files_are_settings_errors(certificates: Path) -> None:
    """The error names the file's setting and the reason in one line, without a prompt."""
    openssl(certificates, "pkcs8 -topk8 -in client.key -passout pass:hunter2 -out locked.key")
    (certificates / "empty").touch()
    _, cert, key = client_files(certificates).values()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"upstream_ca_file": certificates / "none"}, "No such file"),
        ({"upstream_ca_file": certificates}, "Is a directory"),
        ({"upstream_ca_file": certificates / "empty"}, "no certificate in PEM"),
        ({"upstream_client_cert": cert}, "no key beside it"),
        ({"upstream_client_key": key}, "set GATEWAY_UPSTREAM_CLIENT_CERT"),
    ]
    for name, reason in (
        ("none", "No such"),
        ("other", "the key is of another one"),
        ("locked", "has a password"),
    ):
        case = {
            "upstream_client_cert": cert,
            "upstream_client_key": certificates / f"{name}.key",
        }
        cases.append((case, reason))

    cases.append(({"upstream_client_cert": cert, "upstream_client_key": "hunter2"}, "No such"))
    for settings, reason in cases:
        with pytest.raises(SettingsError, match=reason) as failed:
            Route(Settings(upstream_url=REST, **settings))
        [*_, last] = settings
        assert f"GATEWAY_{last.upper()}" in str(failed.value)
        assert "\n" not in str(failed.value)
        assert "hunter2" not in str(failed.value)


@needs_openssl
async def test_rest_is_called_through_a_proxy_with_certificates(
    certificates: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The proxy's login is sent to the proxy only; a wrong login is an error without details."""
    caplog.set_level(logging.DEBUG)
    settings: dict[str, Any] = {**client_files(certificates), "cache_ttl": 0}
    async with faulty_rest(tls=requiring_client_certificate(certificates)) as rest:
        with tiny_proxy(certificates, login=True) as proxy:
            route_settings = {**settings, "upstream_proxy": f"http://{LOGIN}@{proxy}"}
            async with gateway_to(rest.url, **route_settings) as gateway:
                responses = [await ask(gateway), await ask(gateway)]
            connections = rest.connections
            problem = await problem_of(
                rest.url, Route(Settings(upstream_url=rest.url, **route_settings))
            )
            route_settings["upstream_proxy"] = f"http://gateway:wrong-hunter2@{proxy}"
            async with gateway_to(rest.url, **route_settings) as gateway:
                refused = await ask(gateway)
            problem_with_wrong_login = await problem_of(
                rest.url, Route(Settings(upstream_url=rest.url, **route_settings))
            )
        async with gateway_to(rest.url, **route_settings) as gateway:
            stopped = await ask(gateway)
        route_settings["upstream_proxy"] = "http://proxy.invalid:3128"
        async with gateway_to(rest.url, **route_settings) as gateway:
            unknown = await ask(gateway)

    assert [one.json() for one in responses] == [{"data": DATA}] * 2
    assert connections == 1
    assert not any(b"roxy" in request for request in rest.requests)
    assert problem is None
    assert problem_with_wrong_login == "the proxy on the way cannot be reached, or does not connect"
    for answered in (refused, stopped, unknown):
        [error] = answered.json()["errors"]
        assert error["message"] == "The proxy on the way to SuperOffice does not connect."
        assert error["extensions"] == {"code": "UPSTREAM_UNAVAILABLE"}
        assert leaks_in(answered.text) == []
    assert "hunter2" not in caplog.text


async def test_rest_without_tls_is_called_through_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain HTTP uses the environment's proxy, and the login ends at the proxy."""
    async with faulty_rest() as rest:
        url = rest.url.replace("127.0.0.1", "[::ffff:127.0.0.1]")  # the same host by another name
        with tiny_proxy(tmp_path, login=True) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://{LOGIN}@{proxy}")
            async with gateway_to(url) as gateway:
                response = await ask(gateway)
            monkeypatch.setenv("HTTP_PROXY", proxy)
            async with gateway_to(url) as gateway:
                refused = await ask(gateway)
            problem = await problem_of(url, Route(Settings(upstream_url=url)))

    assert response.json() == {"data": DATA}
    assert b"via:" in rest.requests[0].lower()
    assert b"proxy-authorization" not in rest.requests[0].lower()
    [error] = refused.json()["errors"]
    assert error["extensions"] == {"code": "UPSTREAM_UNAVAILABLE", "upstreamStatus": 407}
    assert problem is None


async def test_the_hosts_of_superoffice_online_are_called_through_the_proxy() -> None:
    """SuperOffice Online, beginning with its state service, is called through the proxy."""
    async with faulty_rest(answer(b"", status="403 Forbidden")) as proxy:
        settings: dict[str, Any] = {
            "upstream_url": None,
            "environment": "sod",
            "upstream_proxy": proxy.url,
        }
        async with gateway_to("", **settings) as gateway:
            body = {"query": QUERY}
            response = await gateway.http.post("/graphql/Cust1", json=body, headers=CREDENTIALS)

    assert proxy.requests[0].startswith(b"CONNECT sod.superoffice.com:443 ")
    assert response.json()["errors"][0]["extensions"] == {"code": "UPSTREAM_UNAVAILABLE"}


@needs_openssl
async def test_certificates_and_proxy_are_reloaded(certificates: Path) -> None:
    """New connections use reloaded files; with an invalid file the old ones stay."""
    trusted = certificates / "trusted.pem"
    trusted.write_bytes((certificates / "other.pem").read_bytes())
    login = certificates / "login"
    login.write_text("http://127.0.0.1:1")
    async with faulty_rest(tls=requiring_client_certificate(certificates)) as rest:
        with tiny_proxy(certificates) as proxy:
            file_settings = {
                **client_files(certificates),
                "upstream_ca_file": trusted,
                "cache_ttl": 0,
            }
            settings = Settings.load(
                upstream_url=rest.url, upstream_proxy_file=login, **file_settings
            )
            async with running(create_app(settings)) as gateway:
                responses = [await ask(gateway)]
                login.write_text(f"http://{proxy}")
                gateway.app.state.reload()
                responses += [await ask(gateway)]
                trusted.write_bytes((certificates / "rest.pem").read_bytes())
                gateway.app.state.reload()
                responses += [await ask(gateway)]
                trusted.write_text("")
                gateway.app.state.reload()
                responses += [await ask(gateway)]

    assert ["errors" in one.json() for one in responses] == [True, True, False, False]
    assert "proxy" in responses[0].text
    assert "cannot be reached" in responses[1].text
    assert rest.connections == 1


@needs_openssl
async def test_a_host_may_end_with_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates, and names in TLS, have no final dot (RFC 6066, section 3)."""
    openssl(
        tmp_path,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout rest.key "
        "-out rest.pem -days 2 -subj /O=rest -addext subjectAltName=DNS:crm.test",
    )
    find = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *args, **more: find("127.0.0.1", *args, **more)
    )
    async with faulty_rest(tls=serving(tmp_path)) as rest:
        url = rest.url.replace("127.0.0.1", "crm.test.")
        route = Route(Settings(upstream_url=url, upstream_ca_file=tmp_path / "rest.pem"))
        assert await problem_of(url, route) is None


@needs_openssl
async def test_an_authority_may_lack_extensions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many a company's has no key usage, which Python 3.13 and newer would require (RFC 5280)."""
    names, key = tmp_path / "names", "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    names.write_text("subjectAltName=IP:127.0.0.1")
    openssl(tmp_path, f"req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /O=company")
    openssl(tmp_path, f"req {key} -keyout rest.key -out rest.csr -subj /O=rest")
    issue = "x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names"
    openssl(tmp_path, f"{issue} -in rest.csr -out rest.pem")
    async with faulty_rest(tls=serving(tmp_path)) as rest:
        named = Route(Settings(upstream_url=rest.url, upstream_ca_file=tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        problems = [await problem_of(rest.url, route) for route in (named, Route(None))]

    assert problems == [None, None]


@needs_openssl
async def test_a_check_does_not_wait_for_the_server_to_close(certificates: Path) -> None:
    """Connections of the checks would otherwise stay open for 30 seconds each."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        accepted, _ = listener.accept()
        tls = serving(certificates).wrap_socket(accepted, server_side=True)
        with socket.socket(fileno=tls.detach()) as below_tls:
            below_tls.settimeout(5)
            with suppress(ConnectionError), below_tls.makefile("rb") as sent:
                sent.read()

    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    route = Route(Settings(upstream_url=url, upstream_ca_file=certificates / "rest.pem"))
    with listener:
        served = asyncio.create_task(asyncio.to_thread(serve))
        assert await problem_of(url, route) is None
        await served


@needs_openssl
async def test_a_reload_reads_the_authorities_of_the_system(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE can name them, also without any setting of ours."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "other.pem"))
    async with faulty_rest(tls=serving(certificates)) as rest, gateway_to(rest.url) as gateway:
        before = await ask(gateway)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "rest.pem"))
        gateway.app.state.reload()
        after = await ask(gateway)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "away.pem"))
        with logged() as log:
            gateway.app.state.reload()
        away = await ask(gateway)

    assert ["errors" in one.json() for one in (before, after, away)] == [True, False, False]
    assert log.events[0]["event"] == (
        f"Not reloaded: SSL_CERT_FILE={certificates}/away.pem: No such file or directory"
    )


@needs_openssl
def test_a_ca_file_is_added_to_those_of_the_system(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authorities of the file and of the system are both trusted."""
    settings = client_files(certificates)
    monkeypatch.setenv("SSL_CERT_FILE", str(settings["upstream_client_cert"]))

    route = Route(Settings(upstream_url=REST, upstream_ca_file=settings["upstream_ca_file"]))

    assert route.tls().cert_store_stats()["x509"] == 2
