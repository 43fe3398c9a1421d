"""The unit, container, Compose file and pod in the manual are valid, as far as a test can check."""

import configparser
import errno
import json
import math
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway import Settings, create_app
from gateway.commands.cli import main
from gateway.server import limits, one_write, slow_readers
from gateway.server.resources import files_needed
from gateway.web.read import body
from tests.docs.pages import ROOT, TEXTS, blocks
from tests.support import UPSTREAM_URL, served
from tests.test_build import SOURCES

PAGE = TEXTS["docs/deploy"]
[UNIT], [CONTAINER] = blocks("ini", PAGE), blocks("dockerfile", PAGE)
COMPOSE, KUBERNETES = (list(yaml.safe_load_all(block)) for block in blocks("yaml", PAGE))
[COMPOSED] = COMPOSE
DEPLOYMENT, SERVICE, BUDGET, MONITOR = KUBERNETES
POD: Any = DEPLOYMENT["spec"]["template"]["spec"]
[CONTAINER_OF_POD] = POD["containers"]
VARIABLES = {variable["name"]: variable["value"] for variable in CONTAINER_OF_POD["env"]}

KINDS = ["Deployment", "Service", "PodDisruptionBudget", "ServiceMonitor"]
SECURITY = {**POD["securityContext"], **CONTAINER_OF_POD["securityContext"]}
RESTRICTED: dict[str, bool] = {
    "no namespaces of the host": not {"hostNetwork", "hostPID", "hostIPC"} & POD.keys(),
    "no ports of the host": "hostPort" not in str(CONTAINER_OF_POD["ports"]),
    "no volumes of the host": all(
        set(volume) - {"name"} <= {"emptyDir", "configMap", "secret", "projected"}
        for volume in POD["volumes"]
    ),
    "not privileged": SECURITY["allowPrivilegeEscalation"] is False
    and not SECURITY.get("privileged"),
    "no root": SECURITY["runAsNonRoot"] is True and SECURITY["runAsUser"] > 0,
    "no capabilities": SECURITY["capabilities"] == {"drop": ["ALL"]},
    "a filter of system calls": SECURITY["seccompProfile"] == {"type": "RuntimeDefault"},
    "no other settings": SECURITY.keys()
    <= {
        "allowPrivilegeEscalation",
        "capabilities",
        "readOnlyRootFilesystem",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seccompProfile",
    },
}
"""https://kubernetes.io/docs/concepts/security/pod-security-standards/"""


def stop_s(shutdown_delay: float) -> int:
    """Return the longest time in which a gateway stops, its own work excluded."""
    defaults = Settings(upstream_url=UPSTREAM_URL)
    return math.ceil(shutdown_delay + defaults.upstream_timeout) + 2


def test_every_setting_in_the_manual_exists() -> None:
    """Every setting in the manual exists, as an unknown one would fail the start."""
    settings = re.findall(r"GATEWAY_([A-Z_]+)", re.sub(r"(^|\s)#.*", "", PAGE))
    known = Settings.model_fields.keys()
    secrets = {f"{name}_file" for name in known}

    assert len(settings) > 5
    assert {name.lower() for name in settings} <= known | secrets


def test_the_example_of_settings_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example has valid settings that need no warning, and every way to start reads it."""
    [example] = re.findall(r"```env\n# (.*?)\n(.*?)```", PAGE, re.DOTALL)
    for line in re.sub(r"#.*\n", "", example[1]).splitlines():
        monkeypatch.setenv(*line.split("=", 1))

    assert Settings.load().warnings == []
    assert f"EnvironmentFile=/etc/{example[0]}" in UNIT
    assert COMPOSED["services"]["gateway"]["env_file"] == [example[0]]
    assert f"--from-env-file={example[0]}" in PAGE


def test_the_unit_waits_until_a_gateway_has_stopped() -> None:
    """The unit waits for a gateway, and signals the main process, which signals its workers."""
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation says
    unit.read_string(UNIT)

    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) > stop_s(10)
    online = Settings(environment="online")
    assert int(service["LimitNOFILE"]) >= files_needed(online, online.max_connections)
    assert 5 * int(service["RestartSec"]) > 10  # systemd gives up after five starts in ten seconds
    assert service["KillMode"] == "mixed"
    assert shlex.split(service["ExecStart"])[1:] == ["serve"]


@pytest.mark.parametrize("setting", ["--cache-ttl=x", "--port=70000"])
def test_an_invalid_setting_is_not_restarted(
    setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid setting ends the start with the exit code at which systemd does not retry."""
    code = main(["serve", "--upstream-url", UPSTREAM_URL, setting])

    assert f"RestartPreventExitStatus={code}" in UNIT.splitlines()
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "problem",
    [
        OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    ],
    ids=str,
)
def test_a_start_before_the_network_is_retried(
    problem: OSError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a boot, an address of a VPN or of DHCP comes later, and so may DNS."""

    def fail(*arguments: object, **options: object) -> None:
        raise problem

    monkeypatch.setattr(socket, "create_server", fail)
    code = main(["serve", "--upstream-url", UPSTREAM_URL, "--host", "10.0.0.1"])

    assert code == 1
    assert f"{problem.strerror}; give another --host" in capsys.readouterr().err


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze, a part of systemd"
)
@pytest.mark.parametrize(
    "command", ["verify", "security --offline=true --threshold=25"], ids=["verify", "security"]
)
def test_systemd_accepts_the_unit(command: str, tmp_path: Path) -> None:
    """The unit is valid for systemd, which rates its exposure below 2.5 of 10."""
    unit = tmp_path / "chat-gateway.service"
    unit.write_text(UNIT.replace("/opt/chat-gateway/bin/gateway", sys.executable))

    done = subprocess.run(
        ["systemd-analyze", *command.split(), unit], capture_output=True, text=True, check=False
    )

    messages = [line for line in done.stderr.splitlines() if "chat-gateway" in line]
    assert (done.returncode, messages) == (0, [])


@pytest.mark.socket
def test_the_containers_health_check_works() -> None:
    """The container's health check needs nothing but Python."""
    match = re.search(r"CMD (\[.*\])\n", CONTAINER)
    assert match is not None
    program, *arguments = json.loads(match[1])
    assert program == "/gateway/bin/python"

    def check(address: str) -> int:
        script = [word.replace("http://127.0.0.1:8000", address) for word in arguments]
        return subprocess.run(
            [sys.executable, *script], stderr=subprocess.DEVNULL, check=False
        ).returncode

    with served(create_app(Settings(upstream_url=UPSTREAM_URL))) as address:
        assert check(address) == 0
    assert check(address) == 1


def test_the_container_is_built_from_the_sources_of_the_wheel() -> None:
    """The container copies the sources of the wheel only, and installs pinned versions."""
    copied = re.search(r"^COPY (.*) \./$", CONTAINER, re.MULTILINE)
    assert copied is not None

    assert {*copied[1].split()} == {".constraints.txt", *SOURCES}
    assert all((ROOT / name).is_file() for name in copied[1].split())
    assert "\nCOPY gateway gateway\n" in CONTAINER
    assert "/pip install --no-cache-dir -c .constraints.txt '.[tracing]'" in CONTAINER


def test_the_container_runs_any_command_without_root() -> None:
    """The container runs commands as an ordinary user below an init, which reaps orphans."""
    lines = CONTAINER.splitlines()

    assert "USER 65532:65532" in lines
    assert 'ENTRYPOINT ["/usr/bin/tini", "--", "/gateway/bin/gateway"]' in lines
    assert lines[-1] == 'CMD ["serve"]'


def test_the_services_of_compose_are_consistent() -> None:
    """Services, ports and secrets in the Compose file match, and there is time to stop."""
    services = COMPOSED["services"]
    gateway, grafana = services["gateway"], services["grafana"]
    provisioned = {name: yaml.safe_load(c["content"]) for name, c in COMPOSED["configs"].items()}
    [scraped] = provisioned["prometheus"]["scrape_configs"]
    [dns] = scraped["dns_sd_configs"]
    [provider] = provisioned["dashboards"]["providers"]
    [source] = provisioned["datasource"]["datasources"]
    used = [
        config["source"] for service in services.values() for config in service.get("configs", ())
    ]

    assert sorted(used) == sorted(provisioned)
    assert gateway["environment"]["GATEWAY_CACHE_URL"] == "redis://redis"
    assert gateway["environment"]["GATEWAY_METRICS_PORT"] == str(dns["port"])
    assert [gateway["secrets"], dns["names"]] == [[*COMPOSED["secrets"]], ["gateway"]]
    assert (gateway["read_only"], gateway["tmpfs"]) == (True, ["/tmp"])
    assert int(gateway["stop_grace_period"].removesuffix("s")) > stop_s(1)
    assert source["url"] == "http://prometheus:9090"
    assert f":{provider['options']['path']}/gateway.json:" in grafana["volumes"][0]


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool: `apt-get install prometheus`"
)
def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    """The configuration in the Compose file is valid for promtool."""
    (tmp_path / "alerts.yml").write_text("groups: []")
    (tmp_path / "prometheus.yml").write_text(COMPOSED["configs"]["prometheus"]["content"])

    subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("rule", RESTRICTED)
def test_the_pod_meets_the_restricted_standard(rule: str) -> None:
    """The pod meets the rules of Kubernetes' restricted standard."""
    assert RESTRICTED[rule]


def test_the_kubernetes_objects_are_consistent() -> None:
    """Labels and port names of the Kubernetes objects match."""
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    [spread] = POD["topologySpreadConstraints"]
    selectors = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        spread["labelSelector"]["matchLabels"],
        SERVICE["spec"]["selector"],
        BUDGET["spec"]["selector"]["matchLabels"],
        MONITOR["spec"]["selector"]["matchLabels"],
    ]
    ports = {port["name"]: port["containerPort"] for port in CONTAINER_OF_POD["ports"]}

    assert [o["kind"] for o in KUBERNETES] == KINDS
    assert selectors == [labels] * 5
    assert SERVICE["metadata"]["labels"] == labels
    assert ports == {"http": 8000, "metrics": int(VARIABLES["GATEWAY_METRICS_PORT"])}
    assert {port["targetPort"] for port in SERVICE["spec"]["ports"]} == ports.keys()
    assert MONITOR["spec"]["endpoints"][0]["port"] == "metrics"


def test_the_pod_has_time_to_stop() -> None:
    """The grace period covers the delay, SuperOffice's timeout and a moment more."""
    delay_s = float(VARIABLES["GATEWAY_SHUTDOWN_DELAY"])

    assert POD["terminationGracePeriodSeconds"] > stop_s(delay_s)
    # Three failed probes make a pod unready.
    assert delay_s > 3 * CONTAINER_OF_POD["readinessProbe"]["periodSeconds"]


async def test_the_probes_use_existing_paths(gateway: Any) -> None:
    """The readiness probe (which fails during the drain) and the liveness probe answer 200."""
    probes = [CONTAINER_OF_POD[probe]["httpGet"] for probe in ("readinessProbe", "livenessProbe")]
    answers: list[httpx.Response] = [await gateway.http.get(probe["path"]) for probe in probes]

    assert [(probe["path"], probe["port"]) for probe in probes] == [
        ("/readyz", "http"),
        ("/healthz", "http"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_the_pod_has_no_service_links() -> None:
    """Service links would set GATEWAY_PORT for a service named gateway, and fail the start."""
    assert POD["enableServiceLinks"] is False
    assert SECURITY["readOnlyRootFilesystem"] is True


def test_the_manual_has_the_limits() -> None:
    """The manual has the limits that are not settings."""
    page = TEXTS["docs/limits"]

    assert f"| {limits._HEAD_TIMEOUT_S} s and {limits._MAX_HEAD_BYTES // 1024} KiB; " in page
    rest = f"{one_write._REST_S} s; while the gateway stops, {one_write._REST_DRAINING_S} s"
    assert f"| {rest} |" in page
    assert f"disconnected after {slow_readers._READER_TIMEOUT_S} s" in page
    assert f"| {limits._MAX_PIPELINE}; more end the connection |" in page
    assert f"with {limits._HEADER_COST_BYTES} bytes more for each header" in page
    assert f"| {body.MOST_BYTES // 2**20} MiB; " in page
    assert f"with up to {body.SMALL_BYTES // 1024} KiB does not count" in page
