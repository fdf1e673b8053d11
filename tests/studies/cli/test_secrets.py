"""Passwords appear nowhere: a canary is put into each place, and all that is left is searched."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from studies.cli import main
from tests.model_server.answers import Echo, Say
from tests.model_server.server import ModelServer
from tuners.redaction import process_redactor

pytestmark = [
    pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

CANARY = "cAnArY/4711+x"  # with characters that an address must quote, and people do not
FORMS = (
    CANARY,
    "cAnArY",  # whatever is left of it
    quote(CANARY, safe=""),
    base64.b64encode(f"me:{CANARY}".encode()).decode(),
)
STUDY = ("tune", "stencil", "--trials", "2", "--start", "none", "--output", "runs")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command, and returns all that it has left: what it printed, names, contents."""
    monkeypatch.chdir(tmp_path)

    def start(*words: str) -> tuple[int | str | None, str]:
        monkeypatch.setattr(sys, "argv", ["mappertune", *words])
        process_redactor.cache_clear()
        try:
            code = main(words)
        except SystemExit as left:
            code = left.code
        printed = capsys.readouterr()
        found = [printed.out, printed.err]
        for path in tmp_path.rglob("*"):
            found.append(str(path.relative_to(tmp_path)))
            if path.is_file():
                found.append(path.read_bytes().decode("latin-1"))
        return code, "\n".join(found)

    yield start
    process_redactor.cache_clear()


def assert_hidden(left: str) -> None:
    for form in FORMS:
        assert form not in left


LOGIN = f"me:{CANARY}"
QUOTED = f"me:{quote(CANARY, safe='')}"
STORAGES = {
    "no driver": f"postgresql://{QUOTED}@127.0.0.1:1/db",
    "not quoted": f"postgresql://{LOGIN}@127.0.0.1:1/db",
    "misspelt scheme": f"postgresl://{LOGIN}@host/db",
    "one slash": f"postgresql:/{LOGIN}@host/db",
    "no colon": f"postgresql//{LOGIN}@host/db",
    "no slashes": f"postgresql:{LOGIN}@host/db",
    "no scheme": f"{LOGIN}@host/db",
    "in the query": f"mysql://host/db?password={CANARY}",
    "in the query of a file": f"sqlite:///x.db?password={CANARY}",
    "of a file by its address": f"sqlite:///file:x.db?uri=true&password={CANARY}",
    "of a file, quoted": f"sqlite:///x.db%3Fpassword={CANARY}",
    "of a path": f"x.db?token={CANARY}",
    "behind a path": f"x.db#password={CANARY}",
    "no such folder": f"sqlite:////no/such/folder/x.db?password={CANARY}",
}


@pytest.mark.parametrize("place", STORAGES)
@pytest.mark.parametrize("json", [(), ("--json",)], ids=["", "json"])
def test_the_password_of_a_storage_that_fails(run, place, json):
    code, left = run(*STUDY, "--no-mlflow", "--storage", STORAGES[place], *json)
    assert code in (1, 2)
    assert_hidden(left)


@pytest.mark.parametrize("option", ["--storag", "--mlflo"])
def test_a_misspelt_option(run, option):
    code, left = run(*STUDY, f"{option}={STORAGES['no driver']}")
    assert code == 2
    assert_hidden(left)


SERVERS = {
    "nobody there": f"http://{QUOTED}@127.0.0.1:9",
    "not quoted": f"http://{LOGIN}@127.0.0.1:9",
    "misspelt scheme": f"htp://{LOGIN}@127.0.0.1:9",
    "one slash": f"http:/{LOGIN}@127.0.0.1:9",
    "in the query": f"http://127.0.0.1:9/?token={CANARY}",
    "in the query of a file": f"sqlite:///x.db?password={CANARY}",
    "of a file by its address": f"sqlite:///file:x.db?uri=true&password={CANARY}",
    "of a file, quoted": f"sqlite:///x.db%3Fpassword={CANARY}",
    "of a folder by its address": f"file:///tmp/mlruns?password={CANARY}",
    "of a path": f"mlruns?token={CANARY}",
}


@pytest.mark.parametrize("place", SERVERS)
@pytest.mark.parametrize("by", ["option", "variable"])
def test_the_password_of_a_tracking_server(run, monkeypatch, place, by):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    if by == "variable":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVERS[place])
        _, left = run(*STUDY, "--json")
    else:
        _, left = run(*STUDY, "--mlflow", SERVERS[place])
    assert_hidden(left)


PLACES = {
    "bucket": f"s3://{LOGIN}@bucket/runs",
    "host": f"{LOGIN}@host:runs",
    "query": f"runs?password={CANARY}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("option", ["--output", "--transcript"])
def test_no_folder_or_file_is_called_by_a_password(run, place, option):
    code, left = run("tune", "stencil", "--trials", "1", "--no-mlflow", option, PLACES[place])
    assert (code, "have a password in its name" in left) == (2, True)
    assert_hidden(left)


@pytest.mark.parametrize("name", [f"openai/a?key={CANARY}", f"http://{LOGIN}@host/v1"])
def test_no_study_is_called_by_the_key_in_a_models_name(run, name):
    models = ("--model", name, "--model", "openai/b")
    words = ("compare", "stencil", "--trials", "1", "--tuners", "llm", "--no-mlflow", *models)
    code, left = run(*words)
    assert (code, "is no model's name" in left) == (2, True)
    assert_hidden(left)


def test_folders_with_an_at_are_no_secrets(run, tmp_path):
    (tmp_path / "you:x@host").mkdir()
    for storage in ("you:x@host/a.journal", "sqlite:///you:x@host/a.db", "sqlite:///you@host.db"):
        assert run(*STUDY, "--no-mlflow", "--storage", storage)[0] == 0


@pytest.mark.parametrize("tracked", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_study_that_knows_all_passwords_and_keeps_them(run, postgresql, monkeypatch, tracked):
    """A database, a tracking database, a model's server and its key: all of them are used."""
    monkeypatch.setenv("MY_KEY", f"{CANARY}-key")
    assert postgresql.password == CANARY
    storage = postgresql.create(f"secrets{tracked}")
    where = ("--mlflow", postgresql.create("tracked_secrets")) if tracked else ("--no-mlflow",)
    answers = iter([Say(f"```mapper\nTask * GPU; # {CANARY}-key\n```"), Echo(401)])
    with ModelServer(lambda _: next(answers)) as server:
        address = server.url.replace("://", f"://{QUOTED}@")
        words = ("--storage", storage, *where, "--tuner", "llm", "--json")
        options = ("--model", "openai/local", "--base-url", address, "--repairs", "0")
        code, left = run(*STUDY, *words, *options)
        assert code == 0
        assert len(server.calls) >= 1
        assert (
            CANARY
            in base64.b64decode(
                server.calls[0].headers["authorization"].removeprefix("Basic ")
            ).decode()
        )
    assert_hidden(left)
    assert "Incorrect API key provided" in left


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_short_login_that_is_echoed(run, scheme):
    def echo(call):
        return Echo(401)

    with ModelServer(echo) as server:
        address = server.url.replace("://", "://u:pw@")
        options = ("--model", "openai/local", "--base-url", address)
        _, left = run(*STUDY, "--no-mlflow", "--tuner", "llm", *options)
        assert server.calls[0].headers["authorization"] == "Basic dTpwdw=="
    assert "dTpwdw" not in left
    assert "u:pw" not in left


def test_an_address_in_place_of_a_models_name(run):
    address = f"http://{QUOTED}@127.0.0.1:9/v1"
    _, left = run(*STUDY, "--no-mlflow", "--tuner", "llm", "--model", address)
    assert_hidden(left)


def test_a_traceback(run, monkeypatch, capsys):
    def fail(_):
        raise RuntimeError(f"cannot open {STORAGES['not quoted']}: Basic {FORMS[-1]}")

    monkeypatch.setattr("studies.cli.listing.run", fail)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    with pytest.raises(RuntimeError) as caught:
        main(["list"])
    sys.excepthook(caught.type, caught.value, caught.tb)
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "RuntimeError: cannot open postgresql://[key]@127.0.0.1:1/db: Basic [key]" in said
    assert_hidden(said)


def test_what_is_no_secret_stays(run):
    _, left = run("eval", str(Path("no:such@file.mapper")), "--app", "stencil")
    assert "cannot read" in left
