"""The manual's unit, container and pod are right, as far as a test can tell."""

import configparser
import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway import Settings, create_app
from gateway.server import limits
from tests.docs.pages import TEXTS, blocks
from tests.support import UPSTREAM_URL, served

[UNIT] = blocks("ini")
[CONTAINER] = blocks("dockerfile")
[MANIFEST] = blocks("yaml", TEXTS["docs/deploy"])

POD: Any = yaml.safe_load(MANIFEST)["spec"]["template"]["spec"]


def stop_s(shutdown_delay: float) -> int:
    """Return how long a gateway takes to stop at most, without its own work."""
    defaults = Settings(upstream_url=UPSTREAM_URL)
    return math.ceil(shutdown_delay + defaults.upstream_timeout) + 2


@pytest.mark.parametrize("block", [UNIT, CONTAINER, MANIFEST], ids=["unit", "container", "pod"])
def test_every_setting_that_is_named_exists(block: str) -> None:
    """An unknown one would stop the start."""
    uncommented = re.sub(r"(^|\s)#.*", "", block)
    names = {name.lower() for name in re.findall(r"GATEWAY_([A-Z_]+)", uncommented)}

    assert names <= Settings.model_fields.keys()


def test_the_unit_waits_until_a_gateway_has_stopped() -> None:
    """It signals the main process alone, which signals its workers."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation says
    unit.read_string(UNIT)

    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) > stop_s(10)
    assert int(service["LimitNOFILE"]) > Settings.model_fields["max_connections"].default
    assert service["KillMode"] == "mixed"
    assert shlex.split(service["ExecStart"])[1:] == ["serve"]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze, a part of systemd"
)
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """With an existing program in place of the gateway."""
    unit = tmp_path / "chat-gateway.service"
    unit.write_text(UNIT.replace("/opt/chat-gateway/bin/gateway", sys.executable))

    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )

    about_it = [line for line in done.stderr.splitlines() if "chat-gateway" in line]
    assert (done.returncode, about_it) == (0, [])


@pytest.mark.socket
def test_the_containers_health_check_works() -> None:
    """It needs nothing but Python."""
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


def test_the_container_is_not_root() -> None:
    """What it copies exists, and it starts the gateway."""
    lines = CONTAINER.splitlines()
    root = Path(__file__).parents[2]

    assert "USER 65532:65532" in lines
    assert 'ENTRYPOINT ["/gateway/bin/gateway", "serve"]' in lines
    assert (root / ".constraints.txt").is_file()


def test_the_pod_has_time_to_stop() -> None:
    """Its delay, REST's timeout and a moment fit into the grace period."""
    [container] = POD["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    delay_s = float(variables["GATEWAY_SHUTDOWN_DELAY"])

    assert POD["terminationGracePeriodSeconds"] > stop_s(delay_s)
    assert delay_s > 3 * container["readinessProbe"]["periodSeconds"]  # three failures are one


async def test_the_probes_use_existing_paths(gateway: Any) -> None:
    """Readiness reports the drain, liveness does not."""
    [container] = POD["containers"]
    paths = [container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")]
    answers: list[httpx.Response] = [await gateway.http.get(path) for path in paths]

    assert paths == ["/readyz", "/healthz"]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_the_pod_has_no_service_links() -> None:
    """For a service named gateway Kubernetes would set GATEWAY_PORT, and the start would fail."""
    assert POD["enableServiceLinks"] is False
    assert POD["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_manual_has_the_limits() -> None:
    """Those that are not settings."""
    page = TEXTS["docs/limits"]

    assert f"A head has {limits._HEAD_TIMEOUT_S} s and {limits._MAX_HEAD_BYTES // 1024} KiB" in page
    assert f"cut off after {limits._READER_TIMEOUT_S} s" in page
    assert f"More than {limits._MAX_PIPELINE} requests" in page
