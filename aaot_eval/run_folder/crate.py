"""A release described for programs: RO-Crate 1.1 with the profile Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5).

One action made the files: the program with its version is its instrument, the inputs are its objects, the files of `release/` its results.
An input is named and hashed and not among the parts: it stays with the owner of the data. Who ran it is nowhere asked, and not said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from aaot_eval.results import Release
from aaot_eval.run_folder.files import sha256

METADATA = "ro-crate-metadata.json"
RO_CRATE = "https://w3id.org/ro/crate/1.1"
PROFILE, PROFILE_VERSION = "https://w3id.org/ro/wfrun/process/0.5", "0.5"
#: The second holds the word sha256, which RO-Crate 1.1 does not have.
CONTEXT = [f"{RO_CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"]
MEDIA = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".txt": "text/plain",
}


def crate_metadata(
    record: Mapping[str, Any], release: Release, content: Mapping[str, bytes], said: Mapping[str, str], licence: str
) -> dict[str, Any]:
    """The metadata of a release as a document of JSON-LD. `content` are its files and `said` what each is; `manifest.json`, which will hold
    the hash of this document, is among `said` alone."""
    run, tool = str(record["run"]), record["tool"]
    files = [_file(path, what, content.get(path)) for path, what in said.items()]
    results = [f for f, path in zip(files, said, strict=True) if PurePosixPath(path).parts[0] == "release"]
    inputs = [_input(n, entry) for n, entry in enumerate(record["inputs"], 1)]
    licensed = _licence(licence)
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": str(release.meta["title"]),
        "description": f"Results of run {run} of aaot-eval {tool['version']}, data to {record['data_cut']}, under disclosure profile "
        f"{release.profile}.",
        "datePublished": str(record["times"]["finished"])[:10],
        "license": _at(licensed),
        "conformsTo": {"@id": PROFILE},
        "hasPart": [_at(f) for f in files],
        "mentions": {"@id": f"#run-{run}"},
    }
    program = {
        "@id": "#aaot-eval",
        "@type": "SoftwareApplication",
        "name": "aaot-eval",
        "softwareVersion": str(tool["version"]),
        "description": "Evaluates Alcohol Assertive Outreach Treatment from hospital extracts."
        + (f" Commit {tool['commit']}." if tool.get("commit") else ""),
    }
    action = {
        "@id": f"#run-{run}",
        "@type": "CreateAction",
        "name": f"Run {run} of aaot-eval {tool['version']}",
        "description": f"aaot-eval analyze config.toml: data to {record['data_cut']}, seed {record.get('seed')}.",
        "instrument": _at(program),
        "object": [*map(_at, inputs), {"@id": "config.toml"}],
        "result": [_at(f) for f in results],
        "startTime": record["times"]["started"],
        "endTime": record["times"]["finished"],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    about = {"@id": METADATA, "@type": "CreativeWork", "conformsTo": {"@id": RO_CRATE}, "about": _at(root)}
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": PROFILE_VERSION}
    return {"@context": CONTEXT, "@graph": [about, root, profile, licensed, program, action, *files, *inputs]}


def _at(entity: Mapping[str, Any]) -> dict[str, str]:
    """A reference to an entity."""
    return {"@id": str(entity["@id"])}


def _file(path: str, what: str, content: bytes | None) -> dict[str, Any]:
    entity = {"@id": path, "@type": "File", "name": what, "encodingFormat": MEDIA[PurePosixPath(path).suffix]}
    return entity if content is None else {**entity, "contentSize": str(len(content)), "sha256": sha256(content)}


def _input(number: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@id": f"#input-{number}",
        "@type": "CreativeWork",
        "name": str(entry["path"]),
        "description": f"{entry['table']}, as the run read it; it stays with the owner of the data",
        "sha256": str(entry["sha256"]),
    }


def _licence(text: str) -> dict[str, Any]:
    """A licence by its address, or in words."""
    address = re.fullmatch(r"https?://\S+", text)
    return {"@id": text if address else "#licence", "@type": "CreativeWork", "name": text, "description": text}
