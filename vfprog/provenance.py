"""Digests of the code behind a verb, so that a changed line reruns what depends on it and nothing else.

Snakemake sees a rule's shell command, not the package behind it; each rule therefore carries the digest of its
verb as a parameter.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
RESOURCE_USERS = {
    "vfprog.data.population": ("population.json",),
    "vfprog.perimetry.deviation": ("norms",),
    "vfprog.perimetry.grid": ("grids",),
}


def code_digest(verb: str) -> str:
    """Digest of a CLI verb: its own text, and every module of vfprog that it reaches by imports.

    Raises
    ------
    KeyError
        If ``vfprog.cli`` has no such verb.
    """
    text, function = _verbs()[verb.replace("-", "_")]
    reached: set[str] = set()
    for module in _imports(function):
        reached |= _closure(module)
    digest = hashlib.sha256((ast.get_source_segment(text, function) or "").encode())
    for module in sorted(reached):
        digest.update(_content(module))
    return digest.hexdigest()[:16]


def provenance(verb: str, inputs: list[Path], **facts: str | int) -> dict[str, Any]:
    """What made a file: the verb, its code, its inputs by name and digest, and further facts such as the seed."""
    digests = {path.name: file_digest(path) for path in inputs}
    return {"verb": verb, "code": code_digest(verb), "inputs": digests, **facts}


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verbs() -> dict[str, tuple[str, ast.FunctionDef]]:
    """The text of the module that holds each verb, and its function."""
    found = {}
    for file in sorted((PACKAGE / "cli").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        nodes = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
        found.update({node.name: (text, node) for node in nodes})
    return found


@cache
def _closure(module: str) -> frozenset[str]:
    """A module and all modules of vfprog that it imports, directly or not."""
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imported_by(name)
    return frozenset(reached)


@cache
def _imported_by(module: str) -> list[str]:
    """Modules of vfprog that a module imports itself."""
    return _imports(ast.parse(_file(module).read_text(encoding="utf-8")))


def _imports(node: ast.AST) -> list[str]:
    """Modules of vfprog imported anywhere below a node."""
    found = set()
    for statement in ast.walk(node):
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == "vfprog":
            base = statement.module or ""
            submodules = {f"{base}.{alias.name}" for alias in statement.names}
            found |= {name for name in submodules if _exists(name)} or {base}
            found.add(base)
    return sorted(found)


def _exists(module: str) -> bool:
    return _path(module).with_suffix(".py").exists() or (_path(module) / "__init__.py").exists()


def _path(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")[1:])


def _file(module: str) -> Path:
    package = _path(module) / "__init__.py"
    return package if package.exists() else _path(module).with_suffix(".py")


@cache
def _content(module: str) -> bytes:
    """Source of a module, and the files it loads: shipped tables, and the templates beside a renderer."""
    content = [_file(module).read_bytes()]
    folders = [PACKAGE / "resources" / name for name in RESOURCE_USERS.get(module, ())]
    if module == "vfprog.report.environment":
        folders.append(PACKAGE / "report" / "templates")
    for folder in folders:
        files = [folder] if folder.is_file() else sorted(f for f in folder.rglob("*") if f.is_file())
        content += [file.read_bytes() for file in files]
    return b"\0".join(content)
