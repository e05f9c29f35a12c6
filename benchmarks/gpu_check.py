"""Ten minutes at most on a machine with a GPU: the tests marked ``gpu``, then the benchmarks that make use of one.

    python benchmarks/gpu_check.py                                # on the machine, in the project's folder
    python benchmarks/gpu_check.py --dry-run                      # anywhere: what would be run
    python benchmarks/gpu_check.py --pack .whl --python 3.12      # before: wheels of what such a machine may lack
    python benchmarks/gpu_check.py --wheels .whl --out FOLDER     # there, without a network: with those wheels

The machine needs torch that reaches its GPU by CUDA; of what else is needed, `--pack` puts what is no part of torch or
of its usual company into a folder to be carried along. What was measured goes into benchmarks/measured.csv and, with
the words of every step, into the folder `--out`. The exit status is 0 where tests passed and benchmarks ran to their
end, 1 where not, 2 where there is no GPU: then nothing is run and nothing is measured.

Nothing but Python's own library is imported here, so that the rest can be brought by the wheels.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured.csv"
MINUTES = 10.0
GPU = (
    "import torch; print(torch.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else '', sep='|')"
)
IMPORTED = """
import importlib.util, sys
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])
"""
NEEDED = {
    "open_clip": "open-clip-torch",
    "torchvision": "torchvision",
    "ftfy": "ftfy",
    "wcwidth": "wcwidth",
    "timm": "timm",
    "regex": "regex",
    "safetensors": "safetensors",
    "huggingface_hub": "huggingface-hub",
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "PIL": "pillow",
    "jaxtyping": "jaxtyping",
    "wadler_lindig": "wadler-lindig",
    "beartype": "beartype",
    "lazy_loader": "lazy-loader",
    "platformdirs": "platformdirs",
    "filelock": "filelock",
    "threadpoolctl": "threadpoolctl",
    "tqdm": "tqdm",
    "yaml": "pyyaml",
    "nbformat": "nbformat",
    "fastjsonschema": "fastjsonschema",
    "jsonschema": "jsonschema",
    "jsonschema_specifications": "jsonschema-specifications",
    "referencing": "referencing",
    "rpds": "rpds-py",
    "jupyter_core": "jupyter-core",
    "traitlets": "traitlets",
    "attr": "attrs",
    "pytest": "pytest",
    "pluggy": "pluggy",
    "iniconfig": "iniconfig",
    "kornia": "kornia",
    "kornia_rs": "kornia-rs",
    "torch_rotation": "torch-rotation",
}
"""What the tests and benchmarks import, by module; each with its name in requirements.lock."""
USUAL = ("torchvision", "numpy", "scipy", "pandas", "pyarrow", "pillow", "safetensors", "huggingface-hub", "regex")
"""Those that a machine with torch usually has; they are large, and torchvision must be torch's own."""
BUILT = ("torch-rotation",)
"""Those that have no wheel, and nothing but Python in them: one is made here."""
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17, 12, 5)] + ["manylinux2014_x86_64"]


@dataclass(frozen=True)
class Step:
    """One process: what it is called, its words behind Python's, and which share of the time that is left it may
    take."""

    name: str
    words: tuple[str, ...]
    share: float


TESTS = (
    "tests/zsas_lib/test_devices.py",
    "tests/zsas_lib/test_devices_models.py",
    "tests/zsas_lib/perturbations/test_perturbations.py",
    "tests/zsas_lib/perturbations/test_corruptions_elsewhere.py",
    "tests/zsas_lib/training/test_backbone.py",
)
"""The files that hold tests marked ``gpu``."""
STEPS = (
    Step("tests", ("-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *TESTS), 0.5),
    Step("rotation", ("-m", "benchmarks", "rotation", "--device", "cuda"), 0.3),
    Step("winclip", ("-m", "benchmarks", "winclip", "--device", "cuda", "--rounds", "5"), 1.0),
)


def pack(folder: Path, python: str) -> int:
    """Put wheels of the pinned versions of what is `NEEDED` and not `USUAL` into a folder; pip's exit status, 0 where
    all are there."""
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    wanted, sources = (
        [f"{name}=={pins[name]}" for name in NEEDED.values() if name not in USUAL and (name in BUILT) == built]
        for built in (False, True)
    )
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    pip = [sys.executable, "-m", "pip"]
    download = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", python, *platforms]
    status = subprocess.run([*pip, *download, "--dest", str(folder), *wanted], check=False).returncode
    if status == 0:
        build = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), *sources]
        status = subprocess.run(build, check=False).returncode
    return status


def environment(wheels: Path | None, folder: Path) -> dict[str, str]:
    """The variables of every step: the project and, in ``folder``, what the wheels hold come first."""
    places = [str(ROOT)]
    if wheels:
        files = sorted(map(str, wheels.glob("*.whl")))
        if not files:
            raise FileNotFoundError(
                f"No wheels in {wheels}; `--pack {wheels}` puts them there, where there is a network."
            )
        options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--upgrade", "--target", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *files], check=True)
        places.append(str(folder))
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places + [before] * bool(before))}


def said(words: Sequence[str], variables: Mapping[str, str]) -> str:
    """What Python prints; its error's last line where it fails."""
    run = subprocess.run([sys.executable, *words], env=variables, capture_output=True, text=True, check=False)
    return run.stdout.strip() if run.returncode == 0 else (run.stderr.strip().splitlines() or ["no words"])[-1]


def why_not(variables: Mapping[str, str]) -> str:
    """What the machine lacks, "" where it has all."""
    version, _, gpu = said(["-c", GPU], variables).partition("|")
    if not gpu:
        return f"No GPU: torch ({version}) reaches none by CUDA on this machine. Nothing was run, nothing was measured."
    if missing := said(["-c", IMPORTED, *NEEDED], variables).split():
        names = ", ".join(NEEDED.get(name, name) for name in missing)
        return f"{gpu} is here, but no {names}; carry them along: --pack FOLDER, then --wheels FOLDER. Nothing was run."
    return ""


def run(step: Step, seconds: float, variables: Mapping[str, str]) -> tuple[bool, str]:
    """Run a step; whether it passed in that time, and its words. One that takes longer is interrupted, so that it can
    keep what it has."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored, by the step as well
    words = [sys.executable, *step.words]
    process = subprocess.Popen(
        words, cwd=ROOT, env=dict(variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        text, _ = process.communicate(timeout=seconds)
        return process.returncode == 0, text
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            text, _ = process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
        return False, f"{text}\nInterrupted after {seconds:.0f} s, its share of the time."


def check(minutes: float, wheels: Path | None = None, out: Path | None = None) -> int:
    """All steps within so many minutes; the exit status of this script."""
    end, passed = time.monotonic() + 60 * minutes - 20, {}
    with tempfile.TemporaryDirectory() as folder:
        variables = environment(wheels, Path(folder))
        if reason := why_not(variables):
            print(reason)
            return 2
        for step in STEPS:
            passed[step.name], text = run(step, max(1.0, step.share * (end - time.monotonic())), variables)
            print(f"[{step.name}: {'passed' if passed[step.name] else 'NOT passed'}]\n{text}", flush=True)
            if out:
                out.mkdir(parents=True, exist_ok=True)
                (out / f"{step.name}.txt").write_text(text, encoding="utf-8")
                shutil.copy(MEASURED, out)
    print("; ".join(f"{name}: {'passed' if well else 'NOT passed'}" for name, well in passed.items()))
    return 0 if all(passed.values()) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all steps together (10)")
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="only put wheels into this folder")
    parser.add_argument("--python", default="{}.{}".format(*sys.version_info), help="of the machine, for --pack")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="what --pack made")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="gets the table and every step's words")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be run")
    options = parser.parse_args(arguments)
    if options.pack:
        return pack(options.pack, options.python)
    if options.dry_run:
        for step in STEPS:
            print(f"{step.name}, up to {step.share:.0%} of what is left of {options.minutes:g} minutes:")
            print("   ", *(f"'{word}'" if " " in word else word for word in ("python", *step.words)))
        print(why_not(dict(os.environ)) or "This machine has all that it takes.")
        return 0
    return check(options.minutes, options.wheels, options.out)


if __name__ == "__main__":
    sys.exit(main())
