"""Instruments that speak Modbus TCP."""
