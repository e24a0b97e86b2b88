from __future__ import annotations

import pytest

from gpuws.errors import GpuwsError
from gpuws.options import Options, take


@pytest.mark.parametrize(
    "argv",
    [
        ["--json", "-p", "2222", "up", "box", "-d"],
        ["up", "box", "-d", "--json", "--port=2222"],
        ["up", "--port", "2222", "box", "--json", "-d"],
    ],
)
def test_global_options_work_before_and_after_the_verb(argv: list[str]) -> None:
    assert take(argv) == (Options(port=2222, json=True), ["up", "box", "-d"])


def test_what_follows_two_dashes_belongs_to_the_command() -> None:
    found, rest = take(["exec", "box", "--", "ls", "--json", "-v"])
    assert not found.json
    assert rest == ["exec", "box", "--", "ls", "--json", "-v"]


def test_a_flag_wins_over_its_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUWS_SSH_CONFIG", "from-environment")
    assert take(["up"])[0].ssh_config == "from-environment"
    assert take(["up", "--ssh-config", "flag"])[0].ssh_config == "flag"


@pytest.mark.parametrize("argv", [["-p", "0"], ["-p", "x"], ["--port=70000"], ["--timeout"]])
def test_a_bad_value_is_a_usage_error(argv: list[str]) -> None:
    with pytest.raises(GpuwsError) as caught:
        take(["up", "box", *argv])
    assert caught.value.exit == 2
