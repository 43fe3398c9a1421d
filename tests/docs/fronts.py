"""The manual's proxies as processes: its configurations, with test ports and certificates."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.docs.pages import TEXTS, blocks
from tests.ports import free_port

SITE = "chat.example.com"
PAGE = TEXTS["docs/proxies"]
[NGINX], [HAPROXY], [CADDY] = (blocks(name, PAGE) for name in ("nginx", "haproxy", "caddyfile"))
QUOTED = {"nginx": NGINX, "haproxy": HAPROXY, "caddy": CADDY}
GATEWAY = "127.0.0.1:8000"
CERTIFICATE = f"{SITE}.pem"


def certify(folder: Path) -> None:
    """Write a certificate for the site, and its key."""
    certificate = folder / CERTIFICATE
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    name = ("-subj", f"/CN={SITE}", "-addext", f"subjectAltName=DNS:{SITE}")
    files = ("-keyout", f"{certificate}.key", "-out", certificate)
    subprocess.run([*new, *name, *files], check=True, capture_output=True)


def configuration(name: str, folder: Path, port: int, changes: Mapping[str, str]) -> str:
    """Return the manual's configuration of a proxy, with `changes` applied."""
    text = QUOTED[name].replace("/etc/ssl/", f"{folder}/")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    match name:
        case "nginx":
            quoted = text.replace("listen 443 ", f"listen 127.0.0.1:{port} ")
            top = f"daemon off; pid {folder}/pid; error_log stderr; events {{}}"
            return f"{top} http {{ access_log off; {quoted} }}"
        case "haproxy":
            return text.replace("bind :443 ", f"bind 127.0.0.1:{port} ") + "\n"
        case _:
            certificate = f"{folder}/{CERTIFICATE}"
            site = f"https://{SITE}:{port} {{\n  tls {certificate} {certificate}.key\n"
            return "{\n  admin off\n  auto_https off\n}\n" + text.replace(f"{SITE} {{", site) + "\n"


@contextlib.contextmanager
def front(name: str, folder: Path, changes: Mapping[str, str]) -> Iterator[int]:
    """Start a proxy; yield its port, which may not be open yet."""
    port = free_port()
    file = folder / f"{name}.conf"
    file.write_text(configuration(name, folder, port, changes), "utf-8")
    commands: dict[str, list[str | Path]] = {
        "nginx": ["nginx", "-p", folder, "-c", file],
        "haproxy": ["haproxy", "-db", "-f", file],
        "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", file],
    }
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            commands[name],
            stderr=log,
            env={**os.environ, "XDG_DATA_HOME": f"{folder}", "HOME": f"{folder}"},
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)


def is_open(port: int) -> bool:
    """Return whether a process listens on a loopback port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
