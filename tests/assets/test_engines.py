"""An engine that cannot be used is refused before anything is made, with what to do; and nobody else pays for it."""

import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from assets import engines
from assets.engines import EngineError, engine_of
from assets.settings import Settings, SettingsError, settings


@pytest.fixture
def places(tmp_path: Path) -> Settings:
    return replace(settings({}), home=tmp_path, engine="spark", lake=str(tmp_path / "lake"))


def test_duckdb_needs_nothing() -> None:
    assert settings({}).engine == "duckdb"
    assert engine_of(settings({})) is None


def test_without_a_lake_there_is_nothing_to_read(places: Settings) -> None:
    with pytest.raises(EngineError, match="set CSBA_LAKE to a folder"):
        engine_of(replace(places, lake=""))


def test_without_the_extra(places: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match="needs the extra `spark`"):
        engine_of(places)


@pytest.mark.parametrize(("said", "why"), [("", "there is none"), ('openjdk version "11.0.2"', "this is Java 11")])
def test_without_java(places: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, why: str) -> None:
    if said:
        java = tmp_path / "bin" / "java"
        java.parent.mkdir()
        java.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
        java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match=f"needs Java 17 or later, and {why}"):
        engine_of(places)


def test_a_master_that_is_none(places: Settings) -> None:
    for master in ("host:7077", "local[0]", "spark://host"):
        with pytest.raises(
            EngineError, match=f"'{re.escape(master)}' is no cluster of Spark's; one is written spark://"
        ):
            engine_of(replace(places, master=master))


def test_yarn_is_where_its_settings_say(places: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    with pytest.raises(EngineError, match="HADOOP_CONF_DIR"):
        engine_of(replace(places, master="yarn"))
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop/conf")
    assert engine_of(replace(places, master="yarn"))


def test_a_cluster_that_does_not_answer_is_told_at_once(places: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert engine_of(replace(places, master=f"spark://127.0.0.1:0,127.0.0.1:{port}"))
    properties = tmp_path / "spark.properties"
    properties.write_text(f"spark.master spark://127.0.0.1:{port}\n")
    with pytest.raises(EngineError, match=rf"the cluster spark://127.0.0.1:{port} does not answer \(.* refused\)"):
        engine_of(replace(places, spark_properties=properties))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("spark.x", "line 1: it is written spark.name value"),
        ("# ours\nspark.sql.legacy.timeParserPolicy LEGACY", "line 2: spark.sql.legacy.timeParserPolicy gives other"),
        (None, "cannot be read"),
    ],
)
def test_properties_that_cannot_be_read(places: Settings, tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "spark.properties"
    if text:
        path.write_text(text)
    with pytest.raises(EngineError, match=why):
        engines.read_properties(path)


def test_properties_are_those_of_spark(tmp_path: Path) -> None:
    path = tmp_path / "spark.properties"
    path.write_text("# ours\n\nspark.a 1\n spark.b = 2 \nspark.c:3\nspark.d  -Da=b -Dc=d\n")
    assert engines.read_properties(path) == {"spark.a": "1", "spark.b": "2", "spark.c": "3", "spark.d": "-Da=b -Dc=d"}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CSBA_ENGINE", "polars", "it is duckdb or spark"),
        ("CSBA_LAKE", "s3://key:secret@bucket/folder", "names no user and no key"),
        ("CSBA_LAKE", "/data/lake*", "for a pattern"),
        ("CSBA_LAKE", "/data/what?", "for a pattern"),
        ("CSBA_LAKE", "s3://bucket/{a,b}", "for a pattern"),
    ],
)
def test_settings_that_cannot_be_used(name: str, value: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as error:
        settings({name: value})
    assert "secret" not in str(error.value)


def test_settings_of_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = {"CSBA_ENGINE": "spark", "CSBA_MASTER": "yarn", "CSBA_LAKE": "lake", "CSBA_SPARK_PROPERTIES": "p"}
    found = settings(said)
    assert (found.engine, found.master, found.lake) == ("spark", "yarn", str(tmp_path / "lake"))
    assert found.spark_properties == tmp_path / "p"
    assert settings({"CSBA_LAKE": "s3://bucket/folder"}).lake == "s3://bucket/folder"


def test_nothing_of_spark_is_imported_unless_it_is_asked_for() -> None:
    code = (
        "import sys, pipelines.definitions, pipelines.running, pipelines.entry, assets.raw.loading;"
        "print([name for name in ('pyspark', 'sqlglot', 'py4j', 'assets.lake') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[]"
