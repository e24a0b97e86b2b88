"""Run by the environment's own python: one line "VERSION<TAB>CUDA<TAB>CARDS" of a framework.

Argument: tensorflow or jax. CUDA is "" for a build without it.
"""

import sys


def tensorflow() -> "tuple[str, str, int]":
    import tensorflow  # type: ignore[import-not-found,import-untyped,unused-ignore]

    cuda = tensorflow.sysconfig.get_build_info().get("cuda_version", "")
    cards = tensorflow.config.list_physical_devices("GPU")
    return str(tensorflow.__version__), str(cuda), len(cards)


def jax() -> "tuple[str, str, int]":
    import jax  # type: ignore[import-not-found,import-untyped,unused-ignore]

    cards = [each for each in jax.devices() if each.platform in ("gpu", "cuda", "rocm")]
    return str(jax.__version__), "yes" if cards else "", len(cards)


def main() -> None:
    asked = {"tensorflow": tensorflow, "jax": jax}[sys.argv[1]]
    print("\t".join(map(str, asked())))  # noqa: T201


if __name__ == "__main__":
    main()
