"""What a run was made with: packages, code lists, the commit."""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from aaot_eval.run_folder.files import text_sha256
from aaot_eval.schema import shipped


def package_versions() -> dict[str, str]:
    """The versions of the packages that the numbers rest on, by name."""
    try:
        needed = metadata.requires("aaot-eval") or []
    except metadata.PackageNotFoundError:
        needed = []
    names = sorted({re.split(r"[^A-Za-z0-9_.-]", n, maxsplit=1)[0] for n in (*needed, *_CORE) if "extra ==" not in n})
    versions = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


_CORE = ("duckdb", "linearmodels", "numpy", "pandas", "scipy", "statsmodels")


def code_lists() -> dict[str, str]:
    """The hash of each shipped code list, by file name."""
    home = shipped("data_schemas") / "codelists"
    return {p.name: text_sha256(p) for p in sorted(home.glob("*.csv"))} if home.is_dir() else {}


def commit() -> str | None:
    """The commit of the checkout this code runs from; None when it was installed from a wheel."""
    git = Path(__file__).resolve().parents[2] / ".git"
    with suppress(OSError):
        head = (git / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return head
        ref = head.removeprefix("ref: ")
        if (git / ref).is_file():
            return (git / ref).read_text("utf-8").strip()
        for line in (git / "packed-refs").read_text("utf-8").splitlines():
            if line.endswith(f" {ref}"):
                return line.split(" ", 1)[0]
    return None


def python_and_system() -> dict[str, str]:
    """The Python and the operating system a run was made on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
