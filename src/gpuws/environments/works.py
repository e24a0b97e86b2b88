"""Does an environment that was built on another machine run on this one?"""

from __future__ import annotations

from gpuws.host.script import fields, script
from gpuws.plan import answers
from gpuws.plan.ports import Host


def fault(host: Host, prefix: str, modules: tuple[str, ...]) -> str:
    """Why its python, or one of these modules, does not; "" where all is well. One round trip."""
    program = script("gpuws.environments", "works.sh")
    found = fields(host.run(program, prefix, *modules, timeout=120.0), "environment")
    if answers.yes(found, "works"):
        return ""
    return answers.clean(answers.one(found, "fault"), 300) or "it gives no answer"
