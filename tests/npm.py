"""The packages from npm that clients and browser need: installed once, and kept between runs."""

import fcntl
import hashlib
import subprocess
from pathlib import Path

import pytest

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
_INSTALL = ("npm", "install", "--no-save", "--no-audit", "--no-fund", "--silent", "--prefix", ".")


def link_packages(config: pytest.Config, folder: Path) -> None:
    """Install the packages into pytest's cache, unless they are there; `folder` can import them."""
    digest = hashlib.sha256(" ".join(_PACKAGES).encode()).hexdigest()[:16]
    cache: pytest.Cache | None = getattr(config, "cache", None)
    installed = cache.mkdir(f"npm-{digest}") if cache else folder / "npm"
    installed.mkdir(exist_ok=True)
    with (installed / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of the processes that share the tests, one installs
        if not (installed / "complete").exists():
            subprocess.run((*_INSTALL, *_PACKAGES), cwd=installed, check=True)
            (installed / "complete").touch()
    (folder / "node_modules").symlink_to(installed / "node_modules")
