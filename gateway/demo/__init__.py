"""A REST server that simulates SuperOffice: to try the gateway without an installation."""
