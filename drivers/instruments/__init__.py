"""Instruments over their own protocols."""
