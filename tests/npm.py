"""The packages from npm that clients and browser need: installed once, cached between runs."""

import contextlib
import fcntl
import hashlib
import subprocess
import threading
from pathlib import Path

_PACKAGES = (
    "@apollo/client@4.3.8",
    "@apollo/composition@2.14.4",
    "@apollo/generate-persisted-query-manifest@1.4.0",
    "@apollo/persisted-query-lists@1.1.0",
    "@graphql-codegen/cli@7.4.3",
    "@graphql-codegen/client-preset@6.2.0",
    "@graphql-hive/gateway-runtime@2.12.1",
    "@graphql-inspector/cli@7.0.0",
    "@graphql-mesh/compose-cli@1.8.2",
    "@graphql-mesh/transport-http@1.2.1",
    "@graphql-tools/stitch@10.3.1",
    "@graphql-tools/url-loader@9.1.14",
    "@theguild/federation-composition@0.27.0",
    "@types/react-dom@19.3.0",
    "@types/react@19.3.3",
    "@urql/core@6.0.3",
    "@urql/exchange-graphcache@9.0.2",
    "@urql/exchange-persisted@5.0.1",
    "altair-static@8.5.9",
    "apollo-client-3@npm:@apollo/client@3.14.1",
    "axe-core@4.14.1",
    "crypto-hash@4.0.1",
    "esbuild@0.28.2",
    "gql.tada@1.11.3",
    "graphql-http@1.23.1",
    "graphql-request@7.4.0",
    "graphql-schema-linter@3.0.1",
    "graphql-sock@1.0.1",
    "graphql-sse@2.6.1",
    "graphql-ws@6.4.2",
    "graphql@16.15.0",  # 17 needs Node.js 22
    "playwright-core@1.64.1",
    "react-dom@19.3.1",
    "react@19.3.1",
    "relay-compiler@21.0.1",
    "relay-runtime@21.0.1",
    "rxjs@7.8.2",
    "typescript@5.9.3",
    "urql@5.0.4",
    "ws@8.23.0",
)
FOLDER = f"npm-{hashlib.sha256(' '.join(_PACKAGES).encode()).hexdigest()[:16]}"
HOW_TO_INSTALL = "Node.js 20 or newer and npm: `apt-get install nodejs npm`, or https://nodejs.org"
_INSTALL = ("npm", "install", "--no-save", "--no-audit", "--no-fund", "--silent", "--prefix", ".")


def install_packages(folder: Path) -> Path:
    """Install the packages unless they are installed; return their `node_modules`."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the test processes installs
        if not are_installed(folder):
            subprocess.run((*_INSTALL, *_PACKAGES), cwd=folder, check=True)
            (folder / "complete").touch()
    return folder / "node_modules"


def are_installed(folder: Path) -> bool:
    """Return whether all packages are installed."""
    return (folder / "complete").exists()


def install_soon(folder: Path) -> None:
    """Install in a thread; `install_packages` waits for it, and reports any error itself."""

    def install() -> None:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            install_packages(folder)

    if not are_installed(folder):
        threading.Thread(target=install, daemon=True).start()
