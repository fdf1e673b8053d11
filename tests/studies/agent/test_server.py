"""The Model Context Protocol's door, by the client of its own SDK."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import anyio
import pytest

from legion_bridge import Application

mcp = pytest.importorskip("mcp")

from mcp.client.stdio import StdioServerParameters  # noqa: E402  (only where it is installed)

from studies.agent.desk import Desk, DeskLimits  # noqa: E402
from studies.agent.server import make_server  # noqa: E402

EXPERT = Application.load("circuit").mappers["expert"]
FAST = "Task * GPU,CPU;\nRegion * * GPU FBMEM;\n"
CASE = "circuit-p100x4-seed0"


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "agent", DeskLimits(trials=3, evaluations=3, studies=2))


def talk(server, conversation):
    """Runs a conversation with a server; ``call`` returns what a tool says, as JSON values."""

    async def run():
        async with mcp.Client(server) as client:

            async def call(name, **arguments):
                result = await client.call_tool(name, arguments)
                text = "".join(each.text for each in result.content)
                if result.is_error:
                    return f"ERROR {text}"
                content = result.structured_content
                return content.get("result", content) if content else json.loads(text)

            return await conversation(client, call)

    return anyio.run(run)


async def session(client, call):
    """What an agent does."""
    names = {tool.name for tool in (await client.list_tools()).tools}
    cases = await call("list_cases")
    begun = await call("describe_problem", case="circuit", trials=2)
    wrong = await call("check", case=CASE, mapper="Task * GPU\n")
    tried = await call("evaluate", case=CASE, mapper=EXPERT)
    why = await call("explain", case=CASE, mapper=FAST.replace("FBMEM", "ZCMEM"))
    submitted = await call("submit", case=CASE, reply=FAST)
    manual = (await client.read_resource("mappertune://manual")).contents[0].text
    table = (await client.read_resource(f"mappertune://cases/{CASE}/history")).contents[0].text
    return names, cases, begun, wrong, tried, why, submitted, manual, table


def test_an_agent_lists_describes_checks_evaluates_explains_and_submits(desk):
    found = talk(make_server(desk), session)
    names, cases, begun, wrong, tried, why, submitted, manual, table = found
    assert names == {
        "list_cases", "describe_problem", "check", "evaluate", "explain", "submit"
    }  # fmt: skip
    assert "circuit" in cases["applications"]
    assert begun["case"] == CASE
    assert [each["role"] for each in begun["request"]] == ["system", "user"]
    assert wrong[0]["line"] == 1
    assert tried["over_reference"] == pytest.approx(1.0)
    assert tried["evaluations_left"] == 2
    assert "ZCMEM" in why["text"]
    assert submitted["done"]
    assert "x expert" in submitted["tried"][0]
    assert "IndexTaskMap" in manual
    assert "| 1 |" in table


def test_requests_are_those_of_ask(desk, tmp_path, capsys):
    from studies.cli import main

    begun = talk(make_server(desk), lambda _, call: call("describe_problem", case="circuit"))
    assert begun.startswith("ERROR")  # ten trials are beyond the limit
    begun = talk(
        make_server(desk), lambda _, call: call("describe_problem", case="circuit", trials=3)
    )
    assert main(["ask", str(tmp_path / "agent" / CASE), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["request"]["messages"] == begun["request"]


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("describe_problem", {"case": "circiut"}, "no application is called 'circiut'"),
        ("describe_problem", {"case": "/etc/passwd"}, "no application is called"),
        ("describe_problem", {"case": "stencil", "machine": "/etc/passwd"}, "no machine"),
        ("describe_problem", {"case": "stencil", "trials": 4}, "from 1 to 3 trials"),
        ("describe_problem", {"case": "stencil", "trials": 0}, "from 1 to 3 trials"),
        ("describe_problem", {"case": "stencil", "parameters": {"nx": -1}, "trials": 1}, "nx"),
        ("submit", {"case": "../x", "reply": "x"}, "no study is called '../x'"),
        ("evaluate", {"case": "", "mapper": "x"}, "no study is called ''"),
        ("check", {"case": "stencil", "mapper": "x"}, "describe_problem begins one"),
    ],
)
def test_wrong_calls_are_told_in_one_sentence_and_write_nothing(
    desk, tmp_path, tool, arguments, sentence
):
    told = talk(make_server(desk), lambda _, call: call(tool, **arguments))
    assert told.startswith("ERROR")
    assert sentence in told
    assert not list(tmp_path.iterdir())


def test_limits_hold_over_processes_and_are_told(desk, tmp_path):
    async def until_refused(_, call):
        await call("describe_problem", case="circuit", trials=1)
        return [await call("evaluate", case=CASE, mapper=FAST) for _ in range(3)]

    talk(make_server(desk), until_refused)
    again = Desk(desk.folder, desk.limits)
    for tool in ("evaluate", "explain"):
        told = talk(make_server(again), lambda _, call: call(tool, case=CASE, mapper=FAST))  # noqa: B023
        assert "the 3 evaluations of circuit-p100x4-seed0 are used up" in told
    (desk.folder / CASE / "evaluations.json").write_text("{")  # damaged: no way around the limit
    told = talk(make_server(again), lambda _, call: call("evaluate", case=CASE, mapper=FAST))
    assert "used up" in told

    async def more_studies(_, call):
        await call("describe_problem", case="stencil", trials=1)
        return await call("describe_problem", case="pennant", trials=1)

    assert "holds 2 studies" in talk(make_server(again), more_studies)


def test_hostile_texts_are_data_and_nothing_but_the_folder_is_written(desk, tmp_path):
    async def hostile(_, call):
        await call("describe_problem", case="circuit", trials=2)
        too_long = await call("check", case=CASE, mapper="x" * 1_000_001)
        return too_long, await call("submit", case=CASE, reply="\x1b[2J__import__('os')\ud7ff(")

    too_long, told = talk(make_server(desk), hostile)
    assert "too long" in too_long
    assert told["tried"] == []  # it goes back
    assert "\x1b" not in json.dumps(told)
    assert [each.name for each in tmp_path.iterdir()] == ["agent"]


def test_a_history_of_what_is_no_study_is_told(desk):
    async def read(client, _):
        with pytest.raises(Exception, match="no study is called"):
            await client.read_resource("mappertune://cases/none/history")
        return True

    assert talk(make_server(desk), read)


def command(folder, *words):
    script = "from studies.cli import main; raise SystemExit(main())"
    return ["-c", script, "mcp", "--output", str(folder), *words]


def test_the_command_serves_on_standard_input_and_output(tmp_path):
    server = StdioServerParameters(
        command=sys.executable, args=command(tmp_path / "agent"), cwd=tmp_path, env=_environment()
    )
    found = talk(server, session)
    assert found[6]["done"]


def test_the_command_serves_by_http_on_loopback_and_ends_with_ctrl_c(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, *command(tmp_path / "agent", "--port", str(port))]
    process = subprocess.Popen(words, cwd=tmp_path, env=_environment(), stderr=subprocess.PIPE)
    try:
        _wait_for(port)
        begun = talk(
            f"http://127.0.0.1:{port}/mcp",
            lambda _, call: call("describe_problem", case="circuit", trials=1),
        )
        assert begun["case"] == CASE
    finally:
        process.send_signal(2)
        said = process.communicate(timeout=20)[1].decode()
    assert f"http://127.0.0.1:{port}/mcp" in said
    assert "Traceback" not in said


def test_without_the_package_one_sentence_tells_what_to_install(monkeypatch, capsys, tmp_path):
    from studies.cli import main

    monkeypatch.setitem(sys.modules, "mcp", None)
    assert main(["mcp", "--output", str(tmp_path / "agent")]) == 2
    assert "pip install 'mappertune[agent]'" in capsys.readouterr().err


def _environment():
    import os

    return dict(os.environ)


def _wait_for(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")
