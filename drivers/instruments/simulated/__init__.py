"""Simulators that speak the instruments' own protocols: `python -m drivers.instruments.simulated.modbus_furnace`."""
