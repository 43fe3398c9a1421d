"""A REST server that simulates SuperOffice: to try the gateway without an installation."""

from gateway.demo.app import create_demo_app
from gateway.demo.tenants import DEMO_TENANTS
from gateway.demo.users import DEMO_USERS, DemoUser

__all__ = ["DEMO_TENANTS", "DEMO_USERS", "DemoUser", "create_demo_app"]
