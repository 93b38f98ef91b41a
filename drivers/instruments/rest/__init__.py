"""Instruments behind an HTTP interface of their own."""
