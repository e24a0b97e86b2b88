"""Run by the new environment's own python: is what was asked for really there?

Arguments: 1 or 0 (JupyterLab and its kernel are expected), a file with one distribution name on
each line, one with modules. Ends with 3 where a distribution is missing, 4 where Jupyter, 5 where
one of the modules cannot be imported.
Plain enough for every python that an environment file may name.
"""

import importlib
import re
import subprocess
import sys


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
    return 5 if broken else 0


def imported(module: str) -> str:
    """Why it cannot be imported; "" where it can."""
    try:
        importlib.import_module(module)
    except BaseException as error:  # some modules end the program
        return "import " + module + ": " + repr(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
