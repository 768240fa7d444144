"""The shape of the package: who may import whom, what never appears, what help may cost."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "aaot_eval"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "pandas",
    "numpy",
    "duckdb",
    "pyarrow",
    "scipy",
    "statsmodels",
    "linearmodels",
    "matplotlib",
    "jinja2",
    "pydantic",
    "rich",
}


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout


def test_import_contracts_hold():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("arguments", [["--help"], ["analyze", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import json, sys\nfrom aaot_eval.cli import run\n"
        f"run({arguments!r})\nprint(); print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    loaded = set(json.loads(_python(code).splitlines()[-1]))
    assert not loaded & (HEAVY - ({"pydantic"} if arguments[0] == "analyze" else set()))


def test_the_help_of_every_verb_imports_nothing_heavy():
    # typer itself brings pydantic when it resolves a command.
    code = (
        "import json, sys\nfrom aaot_eval.cli import ALIASES, VERBS, run\n"
        "verbs = [verb for group in VERBS.values() for verb in group] + list(ALIASES)\n"
        "ended = [run([verb, '--help']) for verb in verbs]\n"
        "print(); print(json.dumps([verbs, ended, sorted({m.split('.')[0] for m in sys.modules})]))"
    )
    verbs, ended, loaded = json.loads(_python(code).splitlines()[-1])
    assert len(verbs) >= 10
    assert not any(ended)
    assert not set(loaded) & (HEAVY - {"pydantic"})


def test_help_loads_no_verb():
    # Measured at 1.06 times the CPU time of an empty typer application; each verb loaded would add about 4 %.
    code = (
        "import json, sys\nfrom aaot_eval.cli import run\nrun(['--help'])\n"
        "print(); print(json.dumps(sorted(m for m in sys.modules if m.startswith('aaot_eval'))))"
    )
    assert json.loads(_python(code).splitlines()[-1]) == [
        "aaot_eval", "aaot_eval.cli", "aaot_eval.cli._endings", "aaot_eval.cli._options", "aaot_eval.errors",
    ]  # fmt: skip


def test_light_modules_stay_light():
    loaded = json.loads(
        _python("import json, sys, aaot_eval.errors, aaot_eval.registry, aaot_eval.findings, aaot_eval.schema, aaot_eval.config\n"
                "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))")
    )  # fmt: skip
    assert not set(loaded) & (HEAVY - {"pydantic"})


def test_prices_are_read_without_statistics():
    """`check` and `--stop-after panel` look at the prices first: a second of loading would be theirs for nothing."""
    loaded = json.loads(
        _python("import json, sys, aaot_eval.costs, aaot_eval.pipeline\nprint(json.dumps(sorted(sys.modules)))")
    )
    assert not {"statsmodels", "scipy.stats", "matplotlib"} & set(loaded)


def _calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}


def _imports(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


#: Asks whether the server that a study names can be reached at all, before Spark waits for minutes.
KNOCKS_AT_A_NAMED_SERVER = PACKAGE / "engine" / "spark_session.py"
#: Gives a file of rows a second name, and copies it where the disk has no hard links (tests/cli/test_kept_readings.py).
COPIES_WHERE_THERE_ARE_NO_LINKS = PACKAGE / "engine" / "duckdb_keeping.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_nothing_that_windows_or_a_closed_network_lacks(path):
    tree = ast.parse(path.read_text("utf-8"))
    calls, imports = _calls(tree), _imports(tree)
    assert "print" not in calls
    if path == KNOCKS_AT_A_NAMED_SERVER:
        imports -= {"socket"}
    assert not imports & {
        "fcntl",
        "pwd",
        "grp",
        "resource",
        "termios",
        "socket",
        "urllib",
        "http",
        "requests",
        "httpx",
        "ftplib",
    }
    if path == COPIES_WHERE_THERE_ARE_NO_LINKS:
        calls -= {"os.link"}
    assert not {c for c in calls if c in ("os.fork", "os.symlink", "os.link", "os.mkfifo") or c.endswith(".symlink_to")}
    assert path.stem not in ("utils", "helpers", "common", "misc")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_no_bare_exception_and_text_has_an_encoding(path):
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            assert ast.unparse(node.exc.func) not in ("Exception", "BaseException")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = {k.arg for k in node.keywords}
            if node.func.attr == "read_text":
                assert "encoding" in given or node.args, f"read_text at line {node.lineno}"
            if node.func.attr == "write_text":
                assert {"encoding", "newline"} <= given, f"write_text at line {node.lineno}: newline and encoding"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_public_functions_say_what_the_reader_gets(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def _tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        pytest.skip("this is not a git checkout")
    return done.stdout.splitlines()


def test_file_names_work_on_windows():
    reserved = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
    names = _tracked()
    assert not [n for n in names if re.search(r'[<>:"|?*\\]', n) or n.endswith((" ", "."))]
    assert not [n for n in names if reserved.fullmatch(Path(n).name.split(".")[0])]
    assert len({n.casefold() for n in names}) == len(names)


LOCKS = ("requirements.lock", "requirements-dev.lock")


def _locked(name):
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return {line.split("==")[0]: line.split("==")[1].split()[0] for line in lines if "==" in line}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_file_is_pinned_hashed_and_names_no_host(name):
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith(" ")]
    assert len(pins) > 30
    assert all(re.match(r"[a-z0-9][a-z0-9.-]*==\S+( ; .+)? \\$", line) for line in pins)
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines if line.startswith(" "))
    assert not re.search(r"https?:|file:|--index|--find-links", "\n".join(lines))


def _names(wanted):
    return {re.split(r"[<>=!~; \[]", w, maxsplit=1)[0].lower() for w in wanted if isinstance(w, str)}


def test_lock_files_cover_every_declared_dependency_and_agree():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    plain = [*project["project"]["dependencies"], *groups["build"], *project["build-system"]["requires"]]
    extras = [w for extra in project["project"]["optional-dependencies"].values() for w in extra]
    assert _names(plain) <= set(_locked(LOCKS[0]))
    assert _names([*plain, *extras, *groups["dev"]]) <= set(_locked(LOCKS[1]))
    both = _locked(LOCKS[0]).items() - _locked(LOCKS[1]).items()
    assert not both, both


def test_config_schema_is_current():
    from aaot_eval.config import config_json_schema

    published = json.loads((ROOT / "data_schemas" / "config.schema.json").read_text("utf-8"))
    assert published == json.loads(json.dumps(config_json_schema())), (
        "write it again: aaot-eval explain config > data_schemas/config.schema.json"
    )


def test_every_verb_is_a_file_and_every_file_a_verb():
    from importlib import import_module

    from aaot_eval.cli import VERBS

    verbs = {verb: text for group in VERBS.values() for verb, text in group.items()}
    assert {p.stem for p in (PACKAGE / "cli").glob("*.py") if not p.stem.startswith("_")} == set(verbs)
    for verb, text in verbs.items():
        command = getattr(import_module(f"aaot_eval.cli.{verb}"), verb)
        assert command.__doc__.strip().splitlines()[0] == text


def test_only_the_entry_point_ends_the_process():
    ending = {"sys.exit", "exit", "quit", "os._exit"}
    enders = [p for p in MODULES if _calls(ast.parse(p.read_text("utf-8"))) & ending]
    assert enders == [PACKAGE / "__main__.py"]
