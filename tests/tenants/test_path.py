"""The tenant in a request's path and headers."""

from typing import Any, cast

import pytest

from gateway.errors import BadRequestError, TenantMissingError, TenantNotFoundError
from gateway.tenants.path import TenantSources

SERVED = frozenset({"Cust1", "Cust2"})
Names = list[bytes]


def tenant(path: str, *names: bytes, served: frozenset[str] | None = None) -> Any:
    """Return the name of a request's tenant."""
    sources = TenantSources(lambda name: cast("Any", name), served=served)
    headers = [(b"accept", b"Cust9"), *((b"x-tenant", name) for name in names)]
    return sources(path, headers)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/graphql/Cust1", []),
        ("/graphql/cUST1", []),
        ("/graphql", [b"Cust1"]),
        ("/graphql", [b" cust1 "]),
        ("/graphql", [b"Cust1", b"cust1"]),
        ("/graphql/Cust1", [b"CUST1"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("served", [None, SERVED])
def test_the_path_or_the_header_names_the_tenant(
    path: str, names: Names, served: frozenset[str] | None
) -> None:
    """Case is ignored; if both name a tenant, they have to agree."""
    assert tenant(path, *names, served=served) == "Cust1"


def test_a_missing_name_is_explained() -> None:
    """The message shows the path and the header."""
    with pytest.raises(TenantMissingError, match=r"/graphql/Cust12345.*X-Tenant: Cust12345"):
        tenant("/graphql")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/graphql/Cust1", [b"Cust2"]),
        ("/graphql", [b"Cust1", b"Cust2"]),
        ("/graphql/Cust1", [b"nonsense"]),
        ("/graphql/Cust1", [b""]),
    ],
    ids=str,
)
def test_two_names_are_refused(path: str, names: Names) -> None:
    """A proxy may have added one, and a caller must not get the other tenant's data."""
    with pytest.raises(BadRequestError, match="names two tenants"):
        tenant(path, *names)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/graphql/", []),
        ("/graphql/nonsense", []),
        ("/graphql/Cust1/", []),
        ("/graphql/Cust1.example.com", []),
        ("/graphql/Cust1.example.com", [b"Cust1"]),
        ("/graphql/Cust3", []),
        ("/graphql", [b"Cust3"]),
        ("/graphql", [b""]),
        ("/graphql", [b"Cust1, Cust2"]),
        ("/graphql", [b"\xc5\xbf"]),
    ],
    ids=str,
)
def test_a_tenant_that_is_not_served_is_not_found(path: str, names: Names) -> None:
    """Empty, invalid and unlisted names have the same error."""
    with pytest.raises(TenantNotFoundError) as caught:
        tenant(path, *names, served=SERVED)

    assert str(caught.value) == "There is no such tenant."
    assert caught.value.extensions == {"code": "BAD_REQUEST"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Cust1", "Cust1"), ("cust2", "Cust2"), ("Cust3", None), ("https://evil.example", None)],
)
def test_a_tenant_that_is_served_is_found_by_its_name(name: str, expected: str | None) -> None:
    """Webhooks name their tenant."""
    sources = TenantSources(lambda name: cast("Any", name), served=SERVED)

    assert cast("Any", sources.named(name)) == expected
