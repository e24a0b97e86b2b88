"""gzip, in constant memory: whole or not at all."""

from __future__ import annotations

import zlib

from gpuws.environments.packs.members import BLOCK, Sink, Source
from gpuws.plan.packs import invalid

_GZIP = 31  # zlib's window bits for a gzip header and trailer


class Gunzip:
    """The unpacked bytes of a source. Raises pack-invalid for what is damaged or cut short."""

    def __init__(self, source: Source, where: str) -> None:
        self._source = source
        self._where = where
        self._inflate = zlib.decompressobj(_GZIP)
        self._packed = b""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; b"" at the end, whose checksum was right."""
        while not self._inflate.eof:
            if not self._packed:
                self._packed = self._source.read(BLOCK)
                if not self._packed:
                    raise invalid(self._where, "it was cut short")
            try:
                data = self._inflate.decompress(self._packed, size)
            except zlib.error as error:
                raise invalid(self._where, str(error)) from error
            self._packed = self._inflate.unconsumed_tail
            if data:
                return data
        return b""


class Gzip:
    """Packs what is written into ``sink``. ``level``: 1 for a wire, more for a file."""

    def __init__(self, sink: Sink, level: int) -> None:
        self._sink = sink
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, _GZIP)

    def write(self, data: bytes, /) -> None:
        packed = self._deflate.compress(data)
        if packed:
            self._sink.write(packed)

    def close(self) -> None:
        self._sink.write(self._deflate.flush())
