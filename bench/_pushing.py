"""The laptop's end of a push, as a process of its own: log in, push, say what was sent.

    python -m bench._pushing CONFIG HOST ROOT LISTING

LISTING is JSON: path, sha256 and size of each archive. Prints JSON: bytes sent, archives skipped,
and the seconds of the push alone.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from tests.support.people import Nobody

from gpuws.environments.archives import Archive
from gpuws.environments.pushing import push
from gpuws.host.connect import connect
from gpuws.host.profile import resolve


def main() -> None:
    config, alias, root, listing = sys.argv[1:]
    listed = json.loads(Path(listing).read_text())
    archives = [Archive(Path(path), sha256, size) for path, sha256, size in listed]
    host = connect(resolve(alias, ssh_config=Path(config)), Nobody(), Nobody())
    print(json.dumps(asdict(push(host, root, archives, Nobody()))))
    host.close()


if __name__ == "__main__":
    main()
