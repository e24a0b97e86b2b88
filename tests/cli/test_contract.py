"""The outside, as scripts rely on it: verbs, options, variables, JSON and exit codes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
from pathlib import Path

import pytest

from tests.support.lab import Lab
from tests.support.laptop import Done, Laptop
from tests.support.sshd import free_port, make_key

VERBS = {
    "up": "-f --file --name --dir --use-env --local-port --gpus -d --detach --no-browser "
    "--no-jupyter --restart --here --dry-run --yes",
    "attach": "-d --detach --local-port --no-browser",
    "down": "--rm-env --purge -y --yes --all --keep-running --snapshot --no-snapshot",
    "status": "-w --watch",
    "ls": "-w --watch",
    "url": "",
    "logs": "-f --follow --tail --build",
    "shell": "",
    "exec": "",
    "forward": "--auto --yes",
    "trust": "--list --forget",
    "doctor": "",
    "demo": "--exit-after-ready --no-browser",
}
GLOBAL = (
    "-p --port --ssh-config --hosts --json --transport --accept-new -v -q --no-input --timeout "
    "--debug --version"
)


def failure(done: Done, exit_: int) -> dict[str, object]:
    """The one JSON document of a failed command; nothing about it is a traceback."""
    assert "Traceback" not in done.err
    assert done.code == exit_, done
    document = done.json()
    assert document["schema"] == "gpuws/1"
    assert document["ok"] is False
    error = document["error"]
    assert set(error) >= {"code", "exit", "stage", "message", "hint", "retryable"}
    assert error["exit"] == exit_
    assert isinstance(error["retryable"], bool)
    assert error["message"]
    found: dict[str, object] = error
    return found


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_options(laptop: Laptop, verb: str) -> None:
    told = laptop.ok(verb, "--help").out
    words = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", told))
    assert set(VERBS[verb].split()) <= words


def test_help_names_every_verb_and_global_option(laptop: Laptop) -> None:
    told = laptop.ok("--help").out
    assert set(VERBS) <= set(re.findall(r"^  ([a-z]+)  ", told, re.MULTILINE))
    assert set(GLOBAL.split()) <= set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", told))


def test_version_is_on_stdout(laptop: Laptop) -> None:
    assert re.fullmatch(r"gpuws \d+\.\d+\.\d+\n", laptop.ok("--version").out)


def test_no_words_at_all_show_the_help(laptop: Laptop) -> None:
    assert "Usage: gpuws" in laptop.ok().out


@pytest.mark.parametrize(
    "words",
    [
        ("uup",),
        ("up",),
        ("up", "gpubox", "--nosuch"),
        ("up", "gpubox", "extra"),
        ("up", "gpubox", "--local-port", "80"),
        ("up", "gpubox", "--local-port", "many"),
        ("--port", "70000", "up", "gpubox"),
        ("up", "gpubox", "--timeout", "soon"),
        ("up", "gpubox", "--transport", "pigeon"),
        ("status", "--port"),
        ("logs", "gpubox", "--tail", "-3"),
        ("exec", "gpubox"),
        ("exec", "gpubox", "--"),
        ("forward", "gpubox"),
        ("forward", "gpubox", "99999"),
        ("forward", "gpubox", "80:6006"),
        ("forward", "gpubox", "6006", "jupyter"),
        ("forward", "gpubox", "relative/socket"),
        ("forward", "ls", "gpubox", "extra"),
        ("forward", "rm", "gpubox"),
        ("forward", "gpubox", "6006", "--auto"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2_and_one_document(laptop: Laptop, words: tuple[str, ...]) -> None:
    error = failure(laptop.run("--json", *words), 2)
    assert error["code"] == "usage"


def test_a_usage_error_names_the_help_to_read(laptop: Laptop) -> None:
    done = laptop.run("up", "gpubox", "--nosuch")
    assert done.code == 2
    assert done.out == ""
    assert "--nosuch" in done.err
    assert "gpuws up --help" in done.err


# --- global options -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "status", "gpubox"),
        ("status", "--json", "gpubox"),
        ("status", "gpubox", "--json"),
    ],
    ids=["before", "between", "after"],
)
def test_global_options_work_before_and_after_the_verb(
    laptop: Laptop, words: tuple[str, ...]
) -> None:
    done = laptop.run(*words)
    assert done.code == 6
    [host] = done.data()["hosts"]
    assert host["host"] == "gpubox"
    assert host["reachable"] is False


def test_every_global_option_has_a_variable(laptop: Laptop, tmp_path: Path) -> None:
    """Each shows by what it changes; the ssh configuration's own variable serves every test."""
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text("hosts:\n  elsewhere:\n    ssh: gpubox\n")
    laptop.env |= {"GPUWS_JSON": "1", "GPUWS_HOSTS": str(hosts), "GPUWS_PORT": "1"}
    laptop.env |= {"GPUWS_TIMEOUT": "2", "GPUWS_QUIET": "1", "GPUWS_NO_INPUT": "1"}
    laptop.env |= {"GPUWS_ACCEPT_NEW": "0", "GPUWS_DEBUG": "0", "GPUWS_VERBOSE": "1"}
    laptop.env |= {"GPUWS_TRANSPORT": "paramiko"}
    done = laptop.run("url", "elsewhere")
    error = failure(done, 6)
    assert error["code"] == "connection-refused"
    assert "port 1 " in str(error["message"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GPUWS_PORT", "many"),
        ("GPUWS_TIMEOUT", "0"),
        ("GPUWS_TRANSPORT", "pigeon"),
        ("GPUWS_VERBOSE", "x"),
        ("GPUWS_LOCAL_PORT", "x"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(laptop: Laptop, variable: str, value: str) -> None:
    laptop.env[variable] = value
    done = laptop.run("attach", "gpubox")
    assert done.code == 2
    assert variable in done.err or "--local-port" in done.err


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"url", "shell", "exec"}))
def test_every_option_of_a_verb_has_a_variable(laptop: Laptop, verb: str) -> None:
    told = " ".join(laptop.ok(verb, "--help").out.split())
    options = re.findall(r"(?<![\w-])--([a-z][a-z-]*)(?=[ ,])", told)
    missing = [
        each
        for each in dict.fromkeys(options)
        if each != "help" and f"GPUWS_{each.upper().replace('-', '_')}" not in told
    ]
    assert missing == []


@pytest.mark.parametrize(
    "words",
    [
        ("down", "gpubox", "--snapshot", "--no-snapshot"),
        ("env", "export", "gpubox", "--pinned", "--exact"),
        ("env", "export", "gpubox", "--exact", "--dockerfile"),
    ],
)
def test_options_that_contradict_one_another_are_a_usage_error(
    laptop: Laptop, words: tuple[str, ...]
) -> None:
    error = failure(laptop.run("--json", *words), 2)
    assert words[-1] in str(error["message"])


# --- JSON and streams ---------------------------------------------------------------------------


def test_doctor_asks_over_the_open_connection(box: Lab) -> None:
    """Nobody logs in twice; the workspace's own socket is what a channel is tried on."""
    gone = f"http://127.0.0.1:{free_port()}"
    file = box.laptop.write(
        "doctor.yaml",
        f"hosts:\n  gpubox:\n    channels: ['{gone}']\n    pip_index: {gone}\n"
        f"    mirror:\n      huggingface: {gone}\n",
    )
    logins = box.server.accepted()
    done = box.laptop.run("doctor", "gpubox", "--json", "--hosts", str(file))
    assert box.server.accepted() == logins
    checks = {each["docs"].rpartition("#")[2]: each for each in done.data()["checks"]}
    assert checks["socket-forwarding-refused"]["verdict"] == "ok"
    assert checks["channel-unreachable"]["verdict"] == "problem"
    assert done.code == 8


def test_json_of_a_second_up_has_the_promised_fields(box: Lab, jupyter_env: Path) -> None:
    done = box.laptop.run("--json", "up", "gpubox", "--use-env", str(jupyter_env))
    data = done.data()
    assert data["workspace"] == "gpubox/project"
    assert (data["host"], data["name"]) == ("gpubox", "project")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/w-[0-9a-f]{16}/lab", data["url"])
    assert f":{data['local_port']}/" in data["url"]
    assert set(data["session"]) == {"engine", "name", "state"}
    assert data["session"]["engine"] == "tmux"
    assert set(data["environment"]) == {"tool", "hash", "prefix", "action"}
    assert data["environment"]["prefix"] == str(jupyter_env)
    assert data["environment"]["action"] == "none"
    parts = {"connect_s", "probe_s", "environment_s", "session_s", "tunnel_s", "total_s"}
    assert set(data["timings"]) == parts
    assert isinstance(data["round_trips"], int)
    assert "connecting" in done.err


def test_json_of_attach_status_url_and_exec(alone: Lab) -> None:
    run = alone.laptop.ok
    attached = run("--json", "attach").data()
    assert set(attached["timings"]) == {"connect_s", "probe_s", "tunnel_s", "total_s"}
    [host] = run("--json", "status").data()["hosts"]
    assert host["host"] == "gpubox"
    assert host["reachable"] is True
    [workspace] = host["workspaces"]
    assert {"name", "state", "since", "environment", "idle_s", "tunnel"} <= set(workspace)
    assert workspace["tunnel"]["local_port"] == attached["local_port"]
    assert workspace["tunnel"]["state"] == "open"
    address = run("--json", "url", "gpubox/project").data()["url"]
    assert address.startswith(attached["url"] + "?token=")
    assert run("url").out.strip() == address


def test_json_of_logs_is_one_document(box: Lab) -> None:
    data = box.laptop.ok("--json", "logs", "--tail", "5").data()
    assert data["log"].count("\n") == 5
    assert "ServerApp]" in data["log"]


def test_json_of_exec_holds_what_the_command_printed_and_its_code(box: Lab, alone: Lab) -> None:
    """Once without a keeper and once with one."""
    for _ in range(2):
        program = "read word; echo $word; printf err >&2; exit 7"
        done = box.laptop.run("--json", "exec", "gpubox", "--", "sh", "-c", program, stdin="in\n")
        assert done.code == 7
        assert done.data() == {
            "code": 7,
            "stdout": "in\n",
            "stderr": "err",
            "omitted_bytes": {"stdout": 0, "stderr": 0},
        }
        box.laptop.ok("attach", "-d")


def test_json_of_exec_keeps_the_end_of_a_long_output_and_says_so(box: Lab) -> None:
    program = "import os; os.write(1, b'a' * 3_000_000 + b'end')"
    data = box.laptop.ok("--json", "exec", "gpubox", "--", "python", "-c", program).data()
    assert data["stdout"].endswith("aaaend")
    assert len(data["stdout"]) == 1 << 20
    assert data["omitted_bytes"] == {"stdout": 3_000_003 - (1 << 20), "stderr": 0}


def test_a_shell_has_no_json_answer_and_says_what_has(box: Lab) -> None:
    error = failure(box.laptop.run("--json", "shell", "gpubox"), 2)
    assert "exec" in str(error["hint"])


def test_json_of_following_a_log_is_one_document_a_line(box: Lab) -> None:
    process = box.laptop.start("--json", "logs", "-f", "--tail", "3")
    assert process.stdout is not None
    document = json.loads(process.stdout.readline())
    process.terminate()
    out, _ = process.communicate(timeout=20)
    assert document["data"]["log"].count("\n") == 3
    last = json.loads(out.splitlines()[-1])
    assert (last["ok"], last["error"]["code"]) == (False, "terminated")


def test_json_of_watching_the_status_is_one_document_a_line(box: Lab) -> None:
    process = box.laptop.start("--json", "status", "-w", "gpubox")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    for line in lines:
        [host] = json.loads(line)["data"]["hosts"]
        assert [each["state"] for each in host["workspaces"]] == ["running"]


def test_exec_and_shell_in_what_was_stopped_say_so(box: Lab, jupyter_env: Path) -> None:
    use = ("--use-env", str(jupyter_env), "--no-jupyter")
    box.laptop.ok("up", "gpubox", "--name", "second", *use)
    box.laptop.ok("down", "gpubox/second", "--yes")
    try:
        done = box.laptop.run("--json", "exec", "gpubox/second", "--", "true")
        assert (done.code, done.json()["error"]["code"]) == (255, "not-running")
        done = box.laptop.run("shell", "gpubox/second")
        assert done.code == 11
        assert "gpuws up gpubox --name second" in done.err
    finally:
        shutil.rmtree(box.root / "workspaces/second")


def test_a_mistake_in_the_global_options_is_told_as_json_too(laptop: Laptop) -> None:
    laptop.env["GPUWS_JSON"] = "1"
    failure(laptop.run("--port", "70000", "url", "gpubox"), 2)


def test_the_json_flag_of_a_command_is_not_ours(laptop: Laptop) -> None:
    done = laptop.run("--port", "70000", "exec", "gpubox", "--", "tool", "--json")
    assert (done.code, done.out) == (2, "")


def test_exec_ends_with_255_where_the_failure_is_ours(box: Lab, alone: Lab) -> None:
    done = box.laptop.run("--json", "exec", "gpubox/nope", "--", "true")
    assert done.code == 255
    error = done.json()["error"]
    assert (error["code"], error["exit"]) == ("workspace-not-found", 11)


# --- exit codes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["-oProxyCommand=touch owned", "a b", "$(touch owned)", "a\nb", "a;b", "`id`", "x" * 400, "é"],
    ids=["option", "space", "substitution", "newline", "semicolon", "backtick", "long", "é"],
)
def test_a_host_that_is_no_host_is_refused_before_anything_runs(laptop: Laptop, host: str) -> None:
    error = failure(laptop.run("--json", "url", "--", host), 3)
    assert error["code"] == "bad-host-string"
    assert not list(laptop.project.iterdir())


def test_an_option_as_host_is_refused_by_up_as_well(laptop: Laptop) -> None:
    laptop.write("environment.yml", "name: demo\ndependencies:\n  - pip\n")
    assert laptop.run("up", "-oProxyCommand=touch owned").code in (2, 3)
    assert laptop.run("up", "gpubox/../../x").code == 3
    assert not (laptop.project / "owned").exists()


def test_an_unknown_host_shows_the_nearest_names(laptop: Laptop) -> None:
    error = failure(laptop.run("--json", "url", "gpubx"), 3)
    assert error["code"] == "unknown-host"
    assert "gpubox" in str(error["hint"])


def test_an_entry_of_hosts_yaml_is_offered_for_an_unknown_host(laptop: Laptop) -> None:
    laptop.hosts("hosts:\n  lab-server:\n    ssh: gpubox\n")
    error = failure(laptop.run("--json", "url", "lab-servr"), 3)
    assert "lab-server" in str(error["hint"])


def test_a_closed_port_is_exit_6(laptop: Laptop) -> None:
    error = failure(laptop.run("--json", "url", "gpubox"), 6)
    assert error["code"] == "connection-refused"


def test_a_server_that_never_speaks_is_exit_6_within_the_timeout(laptop: Laptop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        done = laptop.run("--json", "--timeout", "1", "-p", port, "url", "gpubox", timeout=20)
    assert failure(done, 6)["retryable"] is True


def test_a_wrong_key_is_exit_4(alone: Lab, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    config = tmp_path / "ssh_config"
    text = alone.server.config.read_text()
    config.write_text(text.replace(str(alone.server.user_key), str(other)))
    done = alone.laptop.run("--json", "--ssh-config", str(config), "url", "gpubox")
    failure(done, 4)


def test_an_unknown_host_key_without_a_terminal_is_exit_5(alone: Lab, tmp_path: Path) -> None:
    done = with_known_hosts(alone, tmp_path, "")
    error = failure(done, 5)
    assert error["code"] == "host-key-unknown"
    assert "SHA256:" in str(error["message"]) + str(error["hint"]) + done.err
    assert (tmp_path / "known_hosts").read_text() == ""


def test_a_changed_host_key_is_exit_5_even_with_accept_new(alone: Lab, tmp_path: Path) -> None:
    key = make_key(tmp_path / "changed").with_suffix(".pub").read_text()
    line = f"[127.0.0.1]:{alone.server.port} {key}"
    for more in ((), ("--accept-new",)):
        error = failure(with_known_hosts(alone, tmp_path, line, *more), 5)
        assert error["code"] == "host-key-changed"
        assert (tmp_path / "known_hosts").read_text() == line


def test_accept_new_takes_an_unknown_host_key_and_writes_it_down(
    alone: Lab, tmp_path: Path
) -> None:
    done = with_known_hosts(alone, tmp_path, "", "--accept-new")
    assert failure(done, 11)["code"] == "not-running"
    key = alone.server.host_key_line().split()[2]
    assert key in (tmp_path / "known_hosts").read_text()


def with_known_hosts(lab: Lab, folder: Path, text: str, *more: str) -> Done:
    known = folder / "known_hosts"
    known.write_text(text)
    config = folder / "ssh_config"
    config.write_text(
        lab.server.config.read_text().replace(str(lab.server.known_hosts), str(known))
    )
    return lab.laptop.run("--json", "--ssh-config", str(config), *more, "url", "gpubox")


def test_the_same_name_from_another_folder_is_exit_10_with_both_paths(
    box: Lab, tmp_path: Path, jupyter_env: Path
) -> None:
    other = tmp_path / "project"
    other.mkdir()
    project = box.laptop.project
    box.laptop.project = other
    try:
        done = box.laptop.run("--json", "up", "gpubox", "--use-env", str(jupyter_env))
    finally:
        box.laptop.project = project
    error = failure(done, 10)
    assert error["code"] == "other-folder"
    assert str(project) in str(error["message"])
    assert str(other) in str(error["message"])


def test_a_workspace_that_is_not_there_is_exit_11(box: Lab) -> None:
    for verb in ("attach", "url", "logs"):
        error = failure(box.laptop.run("--json", verb, "gpubox/nope"), 11)
        assert error["code"] == "workspace-not-found"
        assert "gpubox/project" in str(error["hint"])


def test_url_without_a_tunnel_is_exit_11_and_says_attach(alone: Lab) -> None:
    error = failure(alone.laptop.run("--json", "url"), 11)
    assert error["code"] == "not-running"
    assert "gpuws attach gpubox/project" in str(error["hint"])


def test_a_local_port_in_use_is_exit_13(alone: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        error = failure(alone.laptop.run("--json", "attach", "--local-port", port), 13)
    assert error["code"] == "local-port-taken"
    assert port in str(error["message"])


def test_no_words_and_no_state_is_exit_11_with_the_words_to_type(laptop: Laptop) -> None:
    for verb in ("attach", "url", "down", "logs", "shell"):
        error = failure(laptop.run("--json", verb), 11)
        assert f"gpuws {verb} HOST" in str(error["hint"])


def test_status_without_state_is_no_failure(laptop: Laptop) -> None:
    assert laptop.ok("--json", "status").data() == {"hosts": []}


def test_several_workspaces_are_never_chosen_among(box: Lab, jupyter_env: Path) -> None:
    use = ("--use-env", str(jupyter_env), "--no-jupyter")
    box.laptop.ok("up", "gpubox", "--name", "second", *use)
    try:
        for verb in ("url", "down"):
            error = failure(box.laptop.run("--json", verb, "gpubox"), 11)
            assert error["code"] == "several-workspaces"
            assert "gpubox/second" in json.dumps(error)
    finally:
        box.laptop.ok("down", "gpubox/second", "--yes")
        shutil.rmtree(box.root / "workspaces/second")
