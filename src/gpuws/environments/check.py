"""Run by the new environment's own python: is what was asked for really there?

Arguments: 1 or 0 (JupyterLab and its kernel are expected), a file with one distribution name on
each line, one with modules, 1 or 0 (torch, where it is there, must see the host's cards). Ends with
3 where a distribution is missing, 4 where Jupyter, 5 where one of the modules cannot be imported, 6
where torch sees no card.
Plain enough for every python that an environment file may name.
"""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import warnings

TAKEN = re.compile("busy or unavailable|already in use|out of memory", re.IGNORECASE)
"""What CUDA says of a card that works and is somebody else's at the moment."""


def installed() -> "set[str]":
    try:
        from importlib import metadata
    except ImportError:  # before python 3.8
        command = [sys.executable, "-m", "pip", "list", "--format=freeze"]
        listed = subprocess.check_output(command).decode()
        return {plain(line.split("==")[0]) for line in listed.split()}
    names = [each.metadata["Name"] for each in metadata.distributions()]
    return {plain(name) for name in names if name}


def plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def main() -> int:
    with open(sys.argv[2], encoding="utf-8") as file:  # noqa: PTH123
        wanted = file.read().split()
    there = installed() if wanted else set()
    missing = [name for name in wanted if plain(name) not in there]
    if missing:
        print("missing after pip: " + ", ".join(missing))  # noqa: T201
        return 3
    if sys.argv[1] == "1":
        try:
            importlib.import_module("jupyterlab")
            importlib.import_module("ipykernel")
        except Exception as error:
            print("Jupyter cannot be imported: " + repr(error))  # noqa: T201
            return 4
    with open(sys.argv[3], encoding="utf-8") as file:  # noqa: PTH123
        modules = file.read().split()
    broken = [told for told in map(imported, modules) if told]
    for each in broken:
        print("check: " + each)  # noqa: T201
    if broken:
        return 5
    return 6 if sys.argv[4] == "1" and not sees_cards() else 0


def imported(module: str) -> str:
    """Why it cannot be imported; "" where it can."""
    try:
        importlib.import_module(module)
    except BaseException as error:  # some modules end the program
        return "import " + module + ": " + repr(error)
    return ""


def sees_cards() -> bool:
    """Of every card that there is: what a login or hosts.yaml hides from one workspace is no fault
    of the environment."""
    if importlib.util.find_spec("torch") is None:
        return True
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # read when torch first asks, not at the import
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            fault = torch_fault()
        except BaseException as error:
            fault = repr(error)
    if fault and heard:
        fault = "; ".join([fault] + [str(each.message) for each in heard])
    if fault and not TAKEN.search(fault):
        print("check: torch sees no card: " + " ".join(fault.split())[:600])  # noqa: T201
    return not fault or bool(TAKEN.search(fault))


def torch_fault() -> str:
    """Why torch.cuda.is_available() is not True, in torch's own words; "" where it is."""
    torch = importlib.import_module("torch")
    cuda = torch.version.cuda or getattr(torch.version, "hip", None)
    about = "torch " + str(torch.__version__)
    if torch.cuda.is_available():
        told = about + ", CUDA " + str(cuda) + ": sees " + str(torch.cuda.device_count())
        print("gpuws: " + told + " card(s)")  # noqa: T201
        return ""
    if not cuda:
        return about + " is a CPU build"
    fault = about + ", CUDA " + str(cuda)
    if os.environ.get("LD_LIBRARY_PATH"):
        fault += ", LD_LIBRARY_PATH " + os.environ["LD_LIBRARY_PATH"]
    try:
        torch.cuda.init()  # unlike is_available, it says why
    except Exception as error:
        fault += ": " + str(error)
    return fault


if __name__ == "__main__":
    sys.exit(main())
