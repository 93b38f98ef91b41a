"""A certificate for 127.0.0.1 that nobody vouches for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def self_signed(directory: Path) -> tuple[Path, Path]:
    """The files of a new key and of its own certificate. Skips the test where there is no `openssl` to make them."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the program openssl: apt-get install openssl")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    asked = [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
        str(certificate),
    ]  # fmt: skip
    subprocess.run([openssl, *asked], check=True, capture_output=True)
    return key, certificate
