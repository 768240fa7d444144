"""Fill wheels/<platform>: what a computer without a package index needs to install aaot-eval, at the versions of the lock.

Run by `make wheels`; the project's own wheel lies in wheels/own. Python versions are given as arguments, e.g. 3.11 3.12.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
WHEELS = ROOT / "wheels"

#: Platform tags by folder, and what decides the environment markers there.
PLATFORMS = {
    "linux_x86_64": (
        [f"manylinux_2_{n}_x86_64" for n in range(34, 4, -1)] + ["manylinux2014_x86_64"],
        "linux",
        "Linux",
        "x86_64",
        "posix",
    ),
    "windows_amd64": (["win_amd64"], "win32", "Windows", "AMD64", "nt"),
    "macos_arm64": (["macosx_14_0_arm64"], "darwin", "Darwin", "arm64", "posix"),
}

README = """Install aaot-eval {version} without a network ({platform}, Python {pythons})

1. Make a place for it:        {python} -m venv aaot
2. Install from this folder:   {pip} install --no-index --find-links . aaot-eval
3. Try it:                     {command} --help

Nothing is downloaded and nothing is sent. Every file here has the hash that requirements.lock of the project names.
"""


def locked() -> dict[str, list[tuple[str, str]]]:
    """Each name of the lock with its (marker, pinned lines with hashes)."""
    found: dict[str, list[tuple[str, str]]] = {}
    text = (ROOT / "requirements.lock").read_text("utf-8")
    for block in re.split(r"\n(?=[a-z0-9])", text):
        head = block.splitlines()[0].rstrip(" \\")
        name = head.split("==")[0]
        pin, _, marker = head.partition(" ; ")
        hashes = " \\\n".join(re.findall(r"--hash=\S+", block))
        found.setdefault(name, []).append((marker, f"{pin} \\\n{hashes}"))
    return found


def needed(environment: dict[str, str]) -> set[str]:
    """The names a plain install needs on a platform, from the metadata of what is installed here."""
    todo, done = ["aaot-eval"], set()
    while todo:
        name = todo.pop()
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, requires):
            wanted = requirement.marker is None or requirement.marker.evaluate({**environment, "extra": ""})
            key = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if wanted and key not in done:
                done.add(key)
                todo.append(key)
    return done


def fill(platform: str, pythons: list[str]) -> None:
    """Download the wheels of one platform into its folder, beside the project's own."""
    tags, sys_platform, system, machine, os_name = PLATFORMS[platform]
    folder = WHEELS / platform
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for python in pythons:
        environment = {
            "sys_platform": sys_platform, "platform_system": system, "platform_machine": machine, "os_name": os_name,
            "python_version": python, "python_full_version": f"{python}.0", "platform_python_implementation": "CPython",
            "implementation_name": "cpython",
        }  # fmt: skip
        names = needed(environment)
        pins = [
            pin
            for name, choices in locked().items()
            if name in names
            for marker, pin in choices
            if not marker or Marker(marker).evaluate(environment)
        ]
        wanted = folder / "wanted.txt"
        wanted.write_text("\n".join(pins) + "\n", encoding="utf-8", newline="\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
                   "--python-version", python, "--implementation", "cp", "--dest", str(folder), "-r", str(wanted)]  # fmt: skip
        for tag in tags:
            command += ["--platform", tag]
        subprocess.run(command, check=True)
        wanted.unlink()
    own = sorted((WHEELS / "own").glob("aaot_eval-*.whl"))[-1]
    shutil.copy2(own, folder / own.name)
    windows = platform.startswith("windows")
    text = README.format(
        version=own.name.split("-")[1], platform=platform, pythons=", ".join(pythons), python="py" if windows else "python3",
        pip=r"aaot\Scripts\pip" if windows else "aaot/bin/pip",
        command=r"aaot\Scripts\aaot-eval" if windows else "aaot/bin/aaot-eval",
    )  # fmt: skip
    (folder / "README.txt").write_text(text, encoding="utf-8", newline="\r\n" if windows else "\n")
    print(f"{folder.relative_to(ROOT)}: {len(list(folder.glob('*.whl')))} wheels")


if __name__ == "__main__":
    for name in PLATFORMS:
        fill(name, sys.argv[1:] or [f"{sys.version_info[0]}.{sys.version_info[1]}"])
