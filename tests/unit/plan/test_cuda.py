"""Files and hosts as people have them: which lines are told, and which files stay unmentioned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.config.environment import load_environment
from gpuws.plan.cuda import CudaWarning, idle_note, warnings
from gpuws.plan.model import EnvironmentSpec, Gpu, HostEntry, HostFacts

from .test_decide import FACTS

ENTRY = HostEntry("box")


def host(driver: str, cuda: str, *cards: str) -> HostFacts:
    gpus = tuple(Gpu(i, f"GPU-{i}", name, 1, 0, 0) for i, name in enumerate(cards))
    return replace(FACTS, driver=driver, cuda=cuda, gpus=gpus)


A100 = host("535.129.03", "12.2", "NVIDIA A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB")
OLD = host("470.57.02", "11.4", "Tesla V100-SXM2-32GB")
NEW = host("580.65.06", "13.0", "NVIDIA B200")
H100 = host("550.54.15", "12.4", "NVIDIA H100 80GB HBM3")
WITHOUT = replace(FACTS, driver="", cuda="")


def conda(channels: str, *packages: str, pip: tuple[str, ...] = ()) -> str:
    """An environment.yml with a channel or a package a line, the first package on line 3 + N."""
    listed = "".join(f"  - {each}\n" for each in channels.split())
    section = "  - pip\n  - pip:\n" + "".join(f"      - {each}\n" for each in pip) if pip else ""
    wanted = "".join(f"  - {each!r}\n" for each in packages)
    return (f"channels:\n{listed}" if listed else "") + f"dependencies:\n{wanted}{section}"


def spec_of(folder: Path, text: str) -> EnvironmentSpec:
    name = "environment.yml" if "dependencies:" in text else "requirements.txt"
    path = folder / name
    path.write_text(text)
    return load_environment(path)


def told(
    folder: Path, text: str, facts: HostFacts = A100, entry: HostEntry = ENTRY
) -> tuple[CudaWarning, ...]:
    return warnings(spec_of(folder, text), facts, entry)


# --- what is told ---------------------------------------------------------------------------------

FORGE, TORCH = "conda-forge", "pytorch nvidia"
BAD = [
    # CPU builds
    (conda(FORGE, "pytorch=2.4=cpu*"), A100, "cpu-build", 4, "`pytorch=2.4=*cuda*`"),
    (conda(FORGE, "pytorch=*=*cpu*"), A100, "cpu-build", 4, "`pytorch=*=*cuda*`"),
    (conda(FORGE, "pytorch[build=cpu*]"), A100, "cpu-build", 4, "`pytorch=*=*cuda*`"),
    (conda(FORGE, "conda-forge::jaxlib=0.4.31=cpu_py311h1"), A100, "cpu-build", 4, "*cuda*"),
    (conda(FORGE, "tensorflow=2.16=mkl_py310*"), A100, "cpu-build", 4, "tensorflow=2.16=*cuda*"),
    (conda(TORCH, "pytorch=2.4", "cpuonly"), A100, "cpu-build", 6, "remove the line"),
    (conda(FORGE, "python", "pytorch-cpu"), A100, "cpu-build", 5, "`pytorch-gpu`"),
    (conda("defaults", "tensorflow-mkl"), A100, "cpu-build", 4, "`tensorflow-gpu`"),
    (conda("defaults", "pytorch"), A100, "cpu-build", 4, "`pytorch-gpu`"),
    (conda("https://repo.anaconda.com/pkgs/main", "tensorflow"), A100, "cpu-build", 4, "-gpu"),
    (conda(FORGE, "pytorch"), OLD, "cpu-build", 4, "`pytorch=*=*cuda*`"),
    (conda(FORGE, "pytorch>=2.1"), OLD, "cpu-build", 4, "or none"),
    ("--index-url https://download.pytorch.org/whl/cpu\ntorch\n", A100, "cpu-build", 1, "leave"),
    ("torch\n--extra-index-url=https://download.pytorch.org/whl/cpu\n", A100, "cpu-build", 2, ""),
    ("torch==2.4.0+cpu\n", A100, "cpu-build", 1, "leave +cpu out"),
    (
        "torch @ https://download.pytorch.org/whl/cpu/torch-2.4.0%2Bcpu-cp311-cp311-linux_x86_64.whl",
        A100,
        "cpu-build",
        1,
        "for CUDA",
    ),
    (
        "https://download.pytorch.org/whl/cpu/torch-2.4.0%2Bcpu-cp311-cp311-linux_x86_64.whl\n",
        A100,
        "cpu-build",
        1,
        "for CUDA",
    ),
    ("numpy\ntensorflow_cpu==2.16.1\n", A100, "cpu-build", 2, "tensorflow[and-cuda]"),
    ("jax\n", A100, "cpu-build", 1, "`jax[cuda12]`"),
    ("flax\njaxlib==0.4.31\n", A100, "cpu-build", 2, "`jax[cuda12]` beside it"),
    # newer than the driver
    (conda(FORGE, "cuda-version=13.0"), A100, "cuda-newer-than-driver", 4, "cuda-version=12.*"),
    (
        conda(FORGE, "cudatoolkit=11.8"),
        host("440.33", "10.2", "T4"),
        "cuda-newer-than-driver",
        4,
        "renewed",
    ),
    (conda(TORCH, "pytorch-cuda=12.1"), OLD, "cuda-newer-than-driver", 5, "`pytorch-cuda=11.8`"),
    (conda(FORGE, "cuda-toolkit>=12,<13"), OLD, "cuda-newer-than-driver", 4, "cuda-toolkit=11.*"),
    (conda(FORGE, "pytorch=2.5=*cuda126*"), OLD, "cuda-newer-than-driver", 4, "*cuda11*"),
    (conda(TORCH, "pytorch=2.1=py3.11_cuda12.1_*"), OLD, "cuda-newer-than-driver", 5, "*cuda11*"),
    (
        conda("nvidia", "nvidia/label/cuda-13.0.0::cuda-toolkit"),
        A100,
        "cuda-newer-than-driver",
        4,
        "cuda-toolkit=12.*",
    ),
    (
        "-i https://download.pytorch.org/whl/cu130\ntorch\n",
        A100,
        "cuda-newer-than-driver",
        1,
        "cu126",
    ),
    ("torch==2.4.1+cu121\n", OLD, "cuda-newer-than-driver", 1, "cu118"),
    ("jax[cuda13]\n", A100, "cuda-newer-than-driver", 1, "`jax[cuda12]`"),
    ("cupy-cuda12x\n", OLD, "cuda-newer-than-driver", 1, "`cupy-cuda11x`"),
    ("nvidia-cudnn-cu13\n", A100, "cuda-newer-than-driver", 1, "cu12"),
    ("torch\n", OLD, "cuda-newer-than-driver", 1, "whl/cu118"),
    ("torch>=2.3,<3\n", OLD, "cuda-newer-than-driver", 1, "whl/cu118"),
    # older than the cards
    (conda("pytorch", "cudatoolkit=10.2"), A100, "cuda-older-than-card", 4, "CUDA 11.0"),
    (conda(TORCH, "pytorch-cuda=11.7"), H100, "cuda-older-than-card", 5, "CUDA 11.8"),
    (conda(TORCH, "pytorch-cuda=12.4"), NEW, "cuda-older-than-card", 5, "CUDA 12.8"),
    ("-i https://download.pytorch.org/whl/cu121\ntorch\n", NEW, "cuda-older-than-card", 1, "12.8"),
    # what has ended
    (
        conda("conda-forge nvidia", "pytorch::pytorch>=2.6"),
        A100,
        "frozen-channel",
        5,
        "`conda-forge::pytorch>=2.6`",
    ),
    (conda(TORCH, "pytorch=2.7=*cuda*"), A100, "frozen-channel", 5, "conda-forge::pytorch=2.7"),
    (conda(FORGE, "pytorch::torchvision>0.20.1"), A100, "frozen-channel", 4, "conda-forge::"),
    (conda(TORCH, "pytorch-cuda=12.6"), A100, "frozen-channel", 5, "`cuda-version=12.6`"),
    (conda(FORGE, "cudatoolkit=12.1"), A100, "ended-package", 4, "`cuda-version=12.1`"),
    ("tensorflow-gpu\n", A100, "ended-package", 1, "tensorflow[and-cuda]"),
    ("tensorflow-gpu>=2.12\n", A100, "ended-package", 1, "tensorflow[and-cuda]"),
    # channels
    (
        conda("pytorch conda-forge", "pytorch-cuda=12.1"),
        A100,
        "no-nvidia-channel",
        5,
        "add `nvidia`",
    ),
    (
        conda("nvidia conda-forge", "pytorch-cuda=12.1"),
        A100,
        "no-pytorch-channel",
        5,
        "add `pytorch`",
    ),
    (conda("pytorch defaults", "pytorch=2.3"), A100, "no-nvidia-channel", 5, "add `nvidia`"),
    # twice
    (conda(FORGE, "pytorch", pip=("torch",)), A100, "two-pytorches", 7, "one of the two"),
    # a driver that tells no CUDA
    (conda(FORGE, "pytorch"), host("535.1", "", "T4"), "driver-without-cuda", 4, "OVERRIDE_CUDA"),
]


@pytest.mark.parametrize(
    ("text", "facts", "code", "line", "change"), BAD, ids=[f"{i}-{b[2]}" for i, b in enumerate(BAD)]
)
def test_a_line_that_leaves_the_cards_unused_is_told_with_its_change(
    tmp_path: Path, text: str, facts: HostFacts, code: str, line: int, change: str
) -> None:
    [said] = told(tmp_path, text, facts)
    assert (said.code, said.where.rpartition(":")[2]) == (code, str(line))
    assert change in said.change
    assert str(said).endswith(f"; {said.change} ({code})")


def test_one_line_can_be_wrong_in_two_ways(tmp_path: Path) -> None:
    codes = [each.code for each in told(tmp_path, conda("pytorch", "pytorch-cuda=12.6"), OLD)]
    assert codes == ["frozen-channel", "no-nvidia-channel", "cuda-newer-than-driver"]


def test_the_same_thing_is_told_once(tmp_path: Path) -> None:
    [said] = told(tmp_path, conda(FORGE, "pytorch=*=cpu*", "pytorch=*=cpu*"))
    assert said.code == "cpu-build"


# --- what is not ----------------------------------------------------------------------------------

GOOD = [
    (conda(FORGE, "python=3.11", "pytorch", "torchvision"), A100),
    (conda(FORGE, "pytorch=2.*=*cuda*"), A100),
    (conda(FORGE, "pytorch=*=cuda126_mkl_py311*"), A100),
    (conda(FORGE, "pytorch-gpu", "cuda-version=12.6"), A100),
    (conda(FORGE, "pytorch-gpu"), OLD),
    (conda(FORGE, "pytorch=2.1"), OLD),
    (conda(FORGE, "pytorch<2.3"), OLD),
    (conda(FORGE, "pytorch", "cuda-version=11.8"), OLD),
    (conda(FORGE, "pytorch=*=^(?!cpu).*"), A100),
    (conda(FORGE, "pytorch>=2.6"), A100),
    (conda(FORGE, "pytorch=2.5=mkl_py311*"), A100),
    (conda(FORGE, "pytorch[build='^cuda13.*']"), A100),
    (conda("pytorch defaults", "pytorch<1.13"), A100),
    (conda(FORGE, "cuda-version>=12.1"), NEW),
    ("-i https://download.pytorch.org/whl/cu130\nnumpy\n", A100),
    ("jax @ git+https://github.com/jax-ml/jax\n", A100),
    (conda("conda-forge defaults", "pytorch", "tensorflow"), A100),
    (conda("defaults", "pytorch-gpu"), A100),
    (conda("defaults", "pytorch=2.3=gpu_cuda*"), A100),
    (conda("defaults", "numpy", "scikit-learn"), A100),
    (conda(TORCH, "pytorch=2.4", "pytorch-cuda=12.4", "torchaudio=2.4"), A100),
    (conda("pytorch nvidia conda-forge", "pytorch", "pytorch-cuda=12.1"), A100),
    (conda("pytorch nvidia/label/cuda-12.1.0", "pytorch-cuda=12.1"), A100),
    (conda("pytorch conda-forge", "pytorch-cuda=11.8", "nvidia::cuda-cudart"), A100),
    (conda("pytorch", "pytorch=1.12", "cudatoolkit=11.3"), A100),
    (conda("pytorch", "pytorch=1.7"), A100),
    (conda("conda-forge", "pytorch::pytorch=2.5", "nvidia::cuda-cudart"), A100),
    (conda("pytorch conda-forge nvidia", "pytorch>=2.6"), A100),
    (conda("https://mirror.example.org/all", "pytorch-cuda=12.1", "pytorch"), A100),
    (
        conda(
            "https://conda.example.org/t/x/pytorch https://conda.example.org/nvidia",
            "pytorch-cuda=12.1",
        ),
        A100,
    ),
    (conda("lab conda-forge", "pytorch-cuda=12.4"), A100),
    (conda("https://conda.anaconda.org/lab/label/main", "pytorch", "tensorflow"), A100),
    (conda("", "pytorch", "pytorch-cuda=12.4"), A100),
    (conda(FORGE, "cudatoolkit=11.8", "cudnn"), A100),
    (conda(FORGE, "cuda-version=12.9"), A100),
    (conda(FORGE, "cuda-version=12"), NEW),
    (conda(FORGE, "cuda-nvcc=13.0"), A100),
    (conda(FORGE, "faiss=*=*cpu*", "cpuinfo"), A100),
    (conda(FORGE, "jaxlib=*=*cuda12*", "jax"), A100),
    (conda(FORGE, "jaxlib", pip=("jax", "flax")), A100),
    (conda(FORGE, "tensorflow=2.16=cuda*"), A100),
    (conda(FORGE, "pytorch", pip=("torchmetrics", "lightning")), A100),
    (conda(FORGE, "python=3.11", pip=("torch==2.5.1",)), A100),
    ("torch\ntorchvision\n", A100),
    ("torch==2.0.1\n", OLD),
    ("torch<2.1\n", OLD),
    ("--index-url https://download.pytorch.org/whl/cu118\ntorch\n", OLD),
    ("--extra-index-url https://download.pytorch.org/whl/cu118\ntorch\n", OLD),
    ("--extra-index-url https://download.pytorch.org/whl/cu118\ntorch\n", NEW),
    ("torch==2.4.1+cu121\n--extra-index-url https://download.pytorch.org/whl/cu121\n", A100),
    (
        "--extra-index-url https://download.pytorch.org/whl/cpu\n"
        "--extra-index-url https://download.pytorch.org/whl/cu121\ntorch\n",
        A100,
    ),
    ("--extra-index-url https://download.pytorch.org/whl/cpu\nnumpy\n", A100),
    ("--index-url https://pypi.example.org/cpu/simple\ntorch\n", A100),
    ('tensorflow-cpu ; sys_platform == "darwin"\ntensorflow[and-cuda]\n', A100),
    ('torch==2.4.0+cpu ; platform_machine == "aarch64"\n', A100),
    ("tensorflow\n", A100),
    ("tensorflow-gpu==2.10.1\n", A100),
    ("jax[cuda12]\n", A100),
    ("jax\njax-cuda12-plugin\n", A100),
    ("jax\njaxlib==0.4.20+cuda12.cudnn89 \n", A100),
    ("jax[tpu]\n", A100),
    ("flax\noptax\n", A100),
    ("jax\nbrax[cuda12]\n", A100),
    ("cupy-cuda12x\nnvidia-cudnn-cu12\n", A100),
    ("cupy-cuda11x\n", OLD),
    ("onnxruntime\nfaiss-cpu\npsutil\n", A100),
    ("git+https://github.com/me/cpu-tools\n", A100),
    ("numpy==1.26.4 --hash=sha256:" + "0" * 64 + "\n", A100),
]


@pytest.mark.parametrize(("text", "facts"), GOOD, ids=[f"{i}" for i in range(len(GOOD))])
def test_a_good_file_is_not_mentioned(tmp_path: Path, text: str, facts: HostFacts) -> None:
    assert told(tmp_path, text, facts) == ()


def test_a_host_without_cards_gets_a_note_and_no_warning(tmp_path: Path) -> None:
    for text, *_ in BAD:
        assert told(tmp_path, text, WITHOUT) == ()
    spec = spec_of(tmp_path, conda(TORCH, "pytorch", "pytorch-cuda=12.1"))
    assert idle_note(spec, WITHOUT, ENTRY) == (
        f"{spec.source}:6: pytorch-cuda=12.1 asks for CUDA, and the host has no GPU",
    )
    assert idle_note(spec, A100, ENTRY) == ()
    assert idle_note(spec, replace(WITHOUT, gpu_error="nvidia-smi failed"), ENTRY) == ()
    assert idle_note(spec, replace(WITHOUT, unanswered=("gpus",)), ENTRY) == ()
    assert idle_note(spec_of(tmp_path, conda(FORGE, "pytorch")), WITHOUT, ENTRY) == ()


# --- what hosts.yaml and other files add ----------------------------------------------------------


def test_the_channels_of_hosts_yaml_are_those_that_count(tmp_path: Path) -> None:
    entry = HostEntry("box", channels=("pytorch", "conda-forge"), where="hosts.yaml:7")
    [said] = told(tmp_path, conda(TORCH, "pytorch-cuda=12.1"), A100, entry)
    assert (said.code, said.where) == ("no-nvidia-channel", "hosts.yaml:7")
    assert said.change == "add `nvidia` to channels: of hosts.yaml"
    mirror = replace(entry, channels=("https://mirror.example.org/everything",))
    assert told(tmp_path, conda("pytorch", "pytorch-cuda=12.1"), A100, mirror) == ()


def test_the_index_of_hosts_yaml_counts_as_one_of_the_file(tmp_path: Path) -> None:
    index = "https://download.pytorch.org/whl/cpu"
    entry = HostEntry("box", pip_index=index, where="hosts.yaml:3")
    [said] = told(tmp_path, "torch\n", A100, entry)
    assert (said.code, said.where) == ("cpu-build", "hosts.yaml:3")
    own = replace(entry, pip_index="https://pypi.example.org/simple")
    assert told(tmp_path, "torch\n", OLD, own) == ()


def test_files_that_are_referred_to_are_read_and_constraints_are_not(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("numpy\ntorch==2.4.0+cpu\n")
    (tmp_path / "limits.txt").write_text("tensorflow-cpu==2.16\n")
    [said] = told(tmp_path, "-r base.txt\n-c limits.txt\n")
    assert (said.code, said.where) == ("cpu-build", "base.txt:2")


def test_credentials_of_an_index_are_not_repeated(tmp_path: Path) -> None:
    text = "-i https://me:secret@mirror.example.org/whl/cpu/\ntorch\n"
    [said] = told(tmp_path, text)
    assert "secret" not in str(said)
    assert "-i …/whl/cpu" in said.text
    [said] = told(tmp_path, "torch @ https://me:secret@example.org/whl/cpu/torch-2.4.0.whl\n")
    assert said.text == "torch is a CPU build, on a host with 2 card(s)"


def test_a_named_override_stands_for_what_the_driver_does_not_tell(tmp_path: Path) -> None:
    entry = HostEntry("box", env=(("CONDA_OVERRIDE_CUDA", "12.4"),))
    assert told(tmp_path, conda(FORGE, "pytorch"), host("535.1", "", "T4"), entry) == ()


def test_folders_that_shadow_are_told_with_the_place_that_sets_them(tmp_path: Path) -> None:
    facts = replace(A100, shadowing=("/usr/local/cuda/lib64", "/opt/gcc/lib64"))
    [said] = told(tmp_path, conda(FORGE, "pytorch"), facts)
    assert (said.code, said.where) == ("shadowing-libraries", "LD_LIBRARY_PATH of gpu1")
    assert "/usr/local/cuda/lib64, /opt/gcc/lib64" in said.text
    prologue = HostEntry("box", prologue=("module load cuda",), where="hosts.yaml:4")
    [said] = told(tmp_path, conda(FORGE, "pytorch"), facts, prologue)
    assert said.where == "hosts.yaml:4"
    emptied = replace(prologue, env=(("LD_LIBRARY_PATH", ""),))
    assert told(tmp_path, conda(FORGE, "pytorch"), facts, emptied) == ()
    assert told(tmp_path, conda(FORGE, "pytorch"), replace(facts, gpus=())) == ()
