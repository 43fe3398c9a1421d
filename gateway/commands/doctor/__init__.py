"""`gateway doctor`."""

from gateway.commands.doctor.command import register as register
