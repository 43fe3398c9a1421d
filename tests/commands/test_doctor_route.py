"""`gateway doctor` about the route to SuperOffice: a line for each possible problem."""

import asyncio
import re
import ssl
from pathlib import Path

import pytest

from gateway.commands.cli import main
from tests.ports import free_port
from tests.upstream.faulty import Play, answer, closes, faulty_rest
from tests.upstream.test_route import certificates, client_files, requiring_client_certificate
from tests.upstream.test_unreachable import certify, expired, needs_openssl, serving
from tests.upstream.tiny_proxy import LOGIN, tiny_proxy

__all__ = ["certificates", "certify", "expired"]

pytestmark = [pytest.mark.socket, needs_openssl]

REFUSED = answer(b"{}", status="401 Unauthorized")


class Doctor:
    """Runs the command as a process would."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def __call__(self, url: str, **flags: object) -> str:
        """Return the last finding: its level, check, text and advice."""
        options = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        await asyncio.to_thread(main, ["doctor", "--port=0", "--upstream-url", url, *options])
        shown = "".join(self._capsys.readouterr())
        assert "Traceback" not in shown
        assert "hunter2" not in shown
        findings = shown.partition("\n\nSettings")[0].split("\n  ")
        last = -1 if findings[-1].strip()[0] != "→" else -2
        return re.sub(" +", " ", " ".join(findings[last:])).strip()


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Return the command."""
    return Doctor(capsys)


async def test_a_proxy_is_examined(doctor: Doctor, certificates: Path) -> None:
    """The proxy has to run, accept the login and connect."""
    trust = {"upstream_ca_file": certificates / "rest.pem"}
    async with faulty_rest(REFUSED, tls=serving(certificates)) as rest:
        with tiny_proxy(certificates, login=True) as proxy:
            proxy_with_login = f"http://{LOGIN}@{proxy}"
            findings = [
                await doctor(rest.url, upstream_proxy=proxy_with_login, **trust),
                await doctor(rest.url, upstream_proxy=f"http://hunter2:hunter2@{proxy}"),
                await doctor("http://127.0.0.1:1", upstream_proxy=proxy),
                await doctor(f"https://127.0.0.1:{free_port()}", upstream_proxy=proxy_with_login),
            ]
        findings.append(await doctor(rest.url, upstream_proxy=proxy_with_login))
        findings.append(await doctor(rest.url, upstream_proxy="http://proxy.invalid:8080"))

    for text, words in zip(
        findings,
        [
            "ok REST API HTTP/1.1 401",
            "fail proxy the proxy answers 40[17]: it requires a login",  # 1.11.3 answers 407
            "fail REST API HTTP/1.1 407, text/html, in .*: the proxy requires a login",
            "fail proxy the proxy answers 500: it cannot connect to 127.0.0.1:",
            "fail proxy the proxy cannot be reached → check GATEWAY_UPSTREAM_PROXY",
            "fail name proxy.invalid is unknown",
        ],
        strict=True,
    ):
        assert re.match(words, text)


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (answer(b"", status="407 Login"), "answers 407: it requires a login that it accepts"),
        (answer(b"", status="403 No"), "answers 403: it must not connect to crm.example.com:443"),
        (closes(b"SSH-2.0\r\n"), "does not speak http"),
        (closes(), "does not speak http → check"),
    ],
)
async def test_a_proxy_that_does_not_connect_is_a_finding(
    doctor: Doctor, play: Play, words: str
) -> None:
    """The finding has the status of the proxy's answer, if there is one."""
    async with faulty_rest(play) as proxy:
        finding = await doctor("https://crm.example.com", upstream_proxy=proxy.url)

    assert finding.startswith(f"fail proxy the proxy {words}")


async def test_an_unusable_file_is_the_only_output(doctor: Doctor) -> None:
    """The gateway would refuse to start with the same line."""
    output = await doctor("http://127.0.0.1:1", upstream_ca_file="/none.pem")

    assert output == "gateway: --upstream-ca-file /none.pem: No such file or directory"


async def test_an_expired_certificate_is_a_finding(
    doctor: Doctor, expired: ssl.SSLContext, tmp_path: Path
) -> None:
    """A trusted but expired certificate is a failure."""
    async with faulty_rest(tls=expired) as rest:
        finding = await doctor(rest.url, upstream_ca_file=tmp_path / "rest.pem")

    assert finding.startswith("fail TLS the certificate has expired → renew it")


async def test_certificates_are_examined(doctor: Doctor, certificates: Path) -> None:
    """The finding names the side whose certificate is refused, and the reason."""
    trust = {"upstream_ca_file": certificates / "rest.pem"}
    async with faulty_rest(REFUSED, tls=requiring_client_certificate(certificates)) as rest:
        name = rest.url.replace("127.0.0.1", "localhost")
        findings = [
            await doctor(rest.url, **client_files(certificates)),
            await doctor(rest.url),
            await doctor(name, **trust),
        ]

    for text, words in zip(
        findings,
        [
            "ok REST API HTTP/1.1 401",
            "fail TLS the certificate is not trusted: self-signed .* GATEWAY_UPSTREAM_CA_FILE",
            "fail TLS the certificate is for another host: hostname mismatch",
        ],
        strict=True,
    ):
        assert re.match(words, text)
