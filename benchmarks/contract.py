"""How many drivers keep the contract, and how long a driver is.

    python benchmarks/contract.py

Runs the contract's first promise wherever the tests try it (pytest, in this process) and notes which driver it was
tried on; all other promises are parametrised beside it. Lines are counted without blank lines, comments and docstrings.
"""

from __future__ import annotations

import ast
import io
import os
import sys
import tokenize
from pathlib import Path

import pytest

from drivers import contract, registry
from drivers.driver import Driver
from drivers.scaffold import TEMPLATE

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = {
    "the scaffold's driver": TEMPLATE / "NAME" / "__init__.py.txt",
    "the README's balance": ROOT / "tests" / "drivers" / "balance.py",
}


def tried() -> tuple[dict[str, int], int]:
    """Class -> how many cases of it are put through the contract; pytest's exit code."""
    found: dict[str, int] = {}
    promise = contract.keeps_its_description

    async def keeps_its_description(device: Driver) -> None:
        kind = f"{type(device).__module__}:{type(device).__qualname__}"
        found[kind] = found.get(kind, 0) + 1
        await promise(device)

    contract.keeps_its_description = keeps_its_description
    contract.PROMISES = (keeps_its_description, *contract.PROMISES[1:])
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    code = pytest.main(
        [
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            "keeps_its_description or (test_balance and contract)",
            "tests/drivers",
        ]
    )
    return found, int(code)


def code_lines(text: str) -> int:
    """Lines that hold code: no blank ones, comments or docstrings."""
    text = text.replace("@CLASS@", "Class").replace("@NAME@", "name")
    docs = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docs |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    skipped = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docs)


def main() -> None:
    """Run, print."""
    found, code = tried()
    ours = {
        name: entry.value for name, entry in registry.known().items() if entry.value.startswith("drivers.")
    }
    kept = sorted(name for name, value in ours.items() if value in found)
    others = sorted(kind for kind in found if kind not in ours.values())
    n_cases = sum(found.values())
    print(
        f"\n{len(kept)} of {len(ours)} drivers in the contract suite, {len(contract.PROMISES)} promises each,"
    )
    print(f"{n_cases} cases with those of other settings and of {len(others)} examples: {', '.join(others)}")
    print(f"in: {', '.join(kept)}")
    print(f"by tests of their own: {', '.join(sorted(set(ours) - set(kept)))}")
    for what, path in EXAMPLES.items():
        text = path.read_text()
        shown = len([line for line in text.splitlines() if line.strip()])
        print(f"{what}: {code_lines(text)} lines of code, {shown} with documentation")
    if code:
        raise SystemExit(code)


if __name__ == "__main__":
    main()
