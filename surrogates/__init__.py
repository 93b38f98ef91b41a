"""The beliefs: what the measurements so far say, and what to measure next. Never touches hardware.

Importing this package, `surrogates.sampling` or `surrogates.constant` loads numpy and scipy only.
"""
