"""JupyterLab as a Launch: private by construction, the user's own settings kept beside ours."""

from __future__ import annotations

import json

from gpuws.plan.model import Launch, RemoteFile

INSTANCE_HEADER = "X-Gpuws-Instance"

OPENING_SETTINGS = (
    *("ip", "port", "sock", "sock_mode", "base_url", "token", "password", "hashed_password"),
    *("allow_remote_access", "allow_origin", "allow_origin_pat", "allow_credentials"),
    *("disable_check_xsrf", "allow_unauthenticated_access", "identity_provider_class"),
    *("authorizer_class", "login_handler_class", "certfile", "keyfile", "client_ca"),
    *("custom_display_url", "tornado_settings", "default_kernel_name", "root_dir"),
    *("notebook_dir", "trust_xheaders"),
)
"""Keys of the user's own Jupyter files that are put aside, and named when they are there."""


_MOVED = (
    *("ip", "port", "base_url", "allow_remote_access", "allow_origin", "allow_origin_pat"),
    *("allow_credentials", "disable_check_xsrf", "trust_xheaders", "certfile", "keyfile"),
    *("client_ca", "tornado_settings"),
)
_OLD_NAME = """
from pathlib import Path as _Path

from jupyter_core.paths import jupyter_config_path as _places


def _has_old_name(place):
    files = (file for file in _Path(place).glob("jupyter_*config.*") if file.is_file())
    return any("NotebookApp" in file.read_text(errors="replace") for file in files)


# Settings under the notebook's old name are moved over the server's, one warning each: so they are
# written only where the user has such a name.
if any(_has_old_name(_place) for _place in _places()[1:]):"""

_START = '''\
"""Made by gpuws at every start: JupyterLab, without the work that nobody has asked for yet."""
import os
import sys
from importlib.util import find_spec, module_from_spec
from threading import RLock


def put_off(name, function):
    """Import the module ``name`` when ``function``, or anything else of it, is used."""
    spec = find_spec(name)
    if spec is None:
        return
    module, lock = module_from_spec(spec), RLock()

    def load():
        with lock:
            if vars(module).pop("__getattr__", None):
                spec.loader.exec_module(module)

    def first(*given):
        load()
        return getattr(module, function)(*given)

    def other(wanted):
        load()
        return getattr(module, wanted)

    vars(module).update({function: first, "__getattr__": other})
    sys.modules[name] = module


def main():
    # jsonschema wants this grammar's parser for the format "iri", which no schema of Jupyter's has;
    # to make it takes longer than everything else at the start.
    put_off("rfc3987_syntax", "is_valid_syntax")
    # As it is imported, JupyterLab asks Node for settings that only `jupyter lab build` needs, and
    # then asks again: so no Node is found until it is imported.
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.path.dirname(os.path.abspath(__file__))
    try:
        from jupyterlab.labapp import main as lab
    finally:
        os.environ["PATH"] = path
    sys.exit(lab())


if __name__ == "__main__":
    main()
'''


def launch(
    *,
    workspace_folder: str,
    run: str,
    prefix: str,
    base_url: str,
    instance: str,
    dir: str,
    socket: bool,
) -> Launch:
    """JupyterLab of ``prefix`` on ``run``/jupyter.sock, or on a loopback port that is free.

    The token is read from ``workspace_folder``/token: neither argv nor a variable ever holds it.
    """
    own = f"{workspace_folder}/jupyter"
    where = (
        (f"--ServerApp.sock={run}/jupyter.sock", "--ServerApp.port=8888")  # 8888: as if not set
        if socket
        else ("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0")
    )
    settings = _settings(socket, dir, base_url, instance, f"{workspace_folder}/token")
    return Launch(
        argv=(
            *(f"{prefix}/bin/python", f"{own}/config/jupyterlab"),
            *where,
            *("--no-browser", "--allow-root"),
            f"--ServerApp.base_url={base_url}",
            f"--ServerApp.root_dir={dir}",
        ),
        env=(
            ("JUPYTER_TOKEN_FILE", f"{workspace_folder}/token"),
            ("JUPYTER_RUNTIME_DIR", f"{own}/runtime"),
            ("JUPYTER_CONFIG_PATH", f"{own}/config"),
            ("JUPYTER_PATH", f"{own}/data"),
            ("PYTHONNOUSERSITE", "1"),
        ),
        unset=(
            *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "JUPYTER_TOKEN", "JUPYTER_PORT"),
            *("JUPYTER_PREFER_ENV_PATH", "JUPYTER_NO_CONFIG", "JUPYTER_ALLOW_INSECURE_WRITES"),
        ),
        files=(
            RemoteFile("jupyter/config/jupyterlab", _START),
            RemoteFile("jupyter/config/jupyter_server_config.py", settings),
            # Settings that LabApp brings come after the command line, so it needs ours as well.
            RemoteFile("jupyter/config/jupyter_lab_config.py", settings),
            RemoteFile("jupyter/data/kernels/python3/kernel.json", _kernel(prefix)),
        ),
        # Jupyter before 5.9 looks for settings in the current folder, and so may extensions for
        # modules; a cloned project must not bring either.
        cwd=f"{own}/config",
        overrides=OPENING_SETTINGS,
    )


def _settings(socket: bool, folder: str, base_url: str, instance: str, token: str) -> str:
    """A settings file that outranks the user's own. JSON texts are Python texts."""
    server: dict[str, object] = {
        "ip": "localhost" if socket else "127.0.0.1",
        "port": 8888 if socket else 0,
        "sock_mode": "0600",
        "base_url": base_url,
        "root_dir": folder,
        "open_browser": False,
        "allow_root": True,
        "allow_remote_access": False,
        "allow_origin": "",
        "allow_origin_pat": "",
        "allow_credentials": False,
        "disable_check_xsrf": False,
        "trust_xheaders": False,
        "certfile": "",
        "keyfile": "",
        "client_ca": "",
        "custom_display_url": "",
        "tornado_settings": {"compress_response": True, "headers": {INSTANCE_HEADER: instance}},
    }
    provider = "jupyter_server.auth.identity.PasswordIdentityProvider"
    lines = ["# Made by gpuws at every start.", "c = get_config()  # noqa: F821", ""]
    lines += [f"c.ServerApp.{key} = {_literal(value)}" for key, value in server.items()]
    lines += [_OLD_NAME, *(f"    c.NotebookApp.{key} = c.ServerApp.{key}" for key in _MOVED)]
    lines += [
        f'c.ServerApp.identity_provider_class = "{provider}"',
        'c.ServerApp.authorizer_class = "jupyter_server.auth.authorizer.AllowAllAuthorizer"',
        'c.ServerApp.login_handler_class = "jupyter_server.auth.login.LegacyLoginHandler"',
        'c.PasswordIdentityProvider.hashed_password = ""',
        'c.MappingKernelManager.default_kernel_name = "python3"',
        f"with open({json.dumps(token)}) as _file:",
        "    c.IdentityProvider.token = _file.read().strip()",
        "",
    ]
    return "\n".join(lines)


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)}: {_literal(each)}" for key, each in value.items())
        return f"{{{inner}}}"
    return json.dumps(value)


def _kernel(prefix: str) -> str:
    """The workspace's environment as the default kernel, before any of that name of the user's.

    The server runs activated, and kernels inherit from it: variables are not repeated here.
    """
    spec = {
        "argv": [f"{prefix}/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (workspace)",
        "language": "python",
        "env": {"PYTHONNOUSERSITE": "1"},
        "metadata": {"debugger": True},
    }
    return json.dumps(spec) + "\n"
