"""Packages that are lists of names, each of which is loaded when it is first used, not before.

A command that needs little starts fast so. Such a package tells twice what it offers: to type
checkers with imports under ``TYPE_CHECKING``, and to Python with a table for `lazily`. What else is
needed rarely is imported where it is needed, inside functions; what only annotations need, under
``TYPE_CHECKING``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module


def lazily(package: str, names: Mapping[str, Iterable[str]]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package: which `names` it offers, by the module that has them."""
    modules = {name: module for module, offered in names.items() for name in offered}

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        found = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return load
