"""A REST server that plays SuperOffice, so that the gateway can be tried without a tenant."""

from gateway.demo.app import create_demo_app
from gateway.demo.tenants import DEMO_TENANTS
from gateway.demo.users import DEMO_USERS, DemoUser

__all__ = ["DEMO_TENANTS", "DEMO_USERS", "DemoUser", "create_demo_app"]
