"""The host's answers, taken apart."""

from __future__ import annotations

import pytest

from gpuws.errors import GpuwsError
from gpuws.host.script import fields
from gpuws.plan.ports import Reply


def test_an_answer_cut_short_is_shown_without_the_tokens_in_it() -> None:
    out = "root\t/r\ntoken\tdemo\tf00d\nsh: out of memory\n"
    with pytest.raises(GpuwsError) as caught:
        fields(Reply(out, 2))
    assert "out of memory" in caught.value.detail
    assert "f00d" not in caught.value.detail
