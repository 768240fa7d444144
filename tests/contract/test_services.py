"""A machine without the servers' programs skips their tests by name; where they are required it fails."""

from __future__ import annotations

import pytest

from tests import services


@pytest.mark.parametrize("required", [False, True])
def test_a_missing_program_is_named(monkeypatch, required):
    monkeypatch.setattr(services, "_programs", lambda: None)
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.delenv("AAOT_REQUIRE_ENGINES", raising=False)
    if required:
        monkeypatch.setenv("AAOT_REQUIRE_ENGINES", "1")
    kind = pytest.fail.Exception if required else pytest.skip.Exception
    with pytest.raises(kind, match="PostgreSQL server programs are not installed"), services.postgres_server():
        pass
    for servers in (services.spark_cluster, services.spark_connect):
        with pytest.raises(kind, match="Java 17 is not installed"), servers():
            pass
