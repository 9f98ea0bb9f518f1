#!/usr/bin/env python3
"""Set up BreastUSAssist in this checkout and run it: `python3 run.py demo`, `test` or `panel`.

Needs Python 3.11 or newer and nothing else; everything is installed into `.venv` beside this file.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
CONSTRAINTS = HERE / "constraints.txt"
TORCH = "2.13.0"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SYSTEM_PACKAGES = (
    *("dicom3tools", "chromium", "orthanc", "orthanc-dicomweb", "nginx-light"),
    *("libgl1", "libegl1", "libxkbcommon0", "libdbus-1-3", "libfontconfig1", "fonts-dejavu-core"),
)
"""What the tests use on Debian: dciodvfy, a browser for the report, a PACS, and what Qt needs to draw off screen."""

USAGE = """usage: python3 run.py demo [--out FOLDER]
       python3 run.py test [pytest arguments]
       python3 run.py panel [image]

demo   sets up everything and runs the main job on a case that it makes itself
test   sets up everything and runs the whole test suite
panel  opens the Slicer module's panel in a window of its own, without 3D Slicer, for developers with a screen"""


def main(arguments: list[str]) -> int:
    """Run the command named first; the rest belongs to it."""
    if sys.version_info < (3, 11):
        found = platform.python_version()
        print(
            f"BreastUSAssist needs Python 3.11 or newer, this is {found}; run it with a newer python3.", file=sys.stderr
        )
        return 2
    if not arguments or arguments[0] not in ("demo", "test", "panel"):
        print(USAGE, file=sys.stderr)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    command, rest = arguments[0], arguments[1:]
    try:
        if command == "demo":
            set_up("torch")
            return run_in_venv("-m", "BreastUSAssistLib", "demo", *(rest or ("--out", str(HERE / "demo-output"))))
        set_up("test")
        install_system_packages()
        return run_tests(rest) if command == "test" else open_panel(rest)
    except subprocess.CalledProcessError as error:
        shown = " ".join(str(part) for part in error.cmd)
        print(f"Setting up stopped: `{shown}` ended with {error.returncode}; its own words are above.", file=sys.stderr)
        return 1


def python_in_venv() -> Path:
    """Path of the virtual environment's Python."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run_in_venv(*arguments: str) -> int:
    """Run the virtual environment's Python in the checkout and return its exit code."""
    return subprocess.run([python_in_venv(), *arguments], cwd=HERE, check=False).returncode


def set_up(extra: str) -> None:
    """Create `.venv` and install this checkout with `extra` into it, unless that was done with the same versions."""
    wanted = hashlib.sha256(
        b"\n".join(path.read_bytes() for path in (HERE / "pyproject.toml", CONSTRAINTS, HERE / "run.py"))
    ).hexdigest()
    stamp = VENV / f"set-up-{extra}"
    if python_in_venv().exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    if not python_in_venv().exists():
        tell("creating the virtual environment .venv")
        create_venv()
    install_torch()
    tell("installing the packages of constraints.txt")
    pip("install", "--constraint", str(CONSTRAINTS), "--editable", f"{HERE}[{extra}]")
    stamp.write_text(wanted)


def create_venv() -> None:
    """Make `.venv`; on Debian the package python3-venv is installed first where it is missing and this is root."""
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except (subprocess.CalledProcessError, ImportError):
        if not is_debian_root():
            print(
                "Python's venv module is incomplete; on Debian or Ubuntu run `sudo apt install python3-venv`.",
                file=sys.stderr,
            )
            raise
        apt("python3-venv")
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def install_torch() -> None:
    """Install the pinned PyTorch: the CUDA build where an NVIDIA driver is, else the much smaller CPU build."""
    tell(f"installing PyTorch {TORCH}")
    if platform.system() == "Darwin" or shutil.which("nvidia-smi"):
        pip("install", "--constraint", str(CONSTRAINTS), f"torch=={TORCH}")
        return
    attempts = (
        (f"torch=={TORCH}+cpu",),
        (f"torch=={TORCH}+cpu", "--extra-index-url", TORCH_CPU_INDEX),
        (f"torch=={TORCH}",),
    )
    for attempt in attempts[:-1]:
        if pip_succeeds("install", "--constraint", str(CONSTRAINTS), *attempt):
            return
    pip("install", "--constraint", str(CONSTRAINTS), *attempts[-1])


def install_system_packages() -> None:
    """On Debian as root, install what the tests use; elsewhere say what is missing and go on."""
    if platform.system() != "Linux":
        return
    if not shutil.which("dpkg-query"):
        tell("this is no Debian; tests that need dciodvfy or Chromium are skipped where these are not installed")
        return
    missing = [name for name in SYSTEM_PACKAGES if not is_installed(name)]
    if missing and is_debian_root():
        tell(f"installing system packages: {' '.join(missing)}")
        apt(*missing)
    elif missing:
        tell(f"tests that need them are skipped; to run them too: sudo apt install {' '.join(missing)}")


def is_installed(package: str) -> bool:
    """Whether a Debian package is installed."""
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


def is_debian_root() -> bool:
    """Whether apt-get can install packages here."""
    return platform.system() == "Linux" and bool(shutil.which("apt-get")) and os.geteuid() == 0


def apt(*packages: str) -> None:
    """Install Debian packages without asking."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    subprocess.run(install, check=True, env=environment, stdout=subprocess.DEVNULL)


def run_tests(rest: list[str]) -> int:
    """Lint, types, then pytest last, so that its closing line ends the output."""
    failed = [
        name
        for name, arguments in {
            "ruff check": ("-m", "ruff", "check", "."),
            "ruff format": ("-m", "ruff", "format", "--check", "--quiet", "."),
            "mypy": ("-m", "mypy"),
        }.items()
        if run_in_venv(*arguments) != 0
    ]
    tests = run_in_venv("-m", "pytest", *(rest or ("--numprocesses", "2", "--dist", "worksteal")))
    if failed:
        print(f"These checks failed, see above: {', '.join(failed)}.", file=sys.stderr)
    return tests or (1 if failed else 0)


def open_panel(rest: list[str]) -> int:
    """Open the panel over a phantom, or the image named, in a window without 3D Slicer."""
    paths = os.pathsep.join([str(HERE / "Testing"), os.environ.get("PYTHONPATH", "")])
    command = [python_in_venv(), "-m", "host.panel", *rest]
    return subprocess.run(command, cwd=Path.cwd(), env={**os.environ, "PYTHONPATH": paths}, check=False).returncode


def pip(*arguments: str) -> None:
    """Run pip in the virtual environment; raises CalledProcessError."""
    subprocess.run(pip_command(*arguments), check=True)


def pip_succeeds(*arguments: str) -> bool:
    """Run pip quietly and say whether it went well."""
    quiet = subprocess.run(pip_command(*arguments), check=False, capture_output=True)
    return quiet.returncode == 0


def pip_command(*arguments: str) -> list[str | Path]:
    """Command line of pip in the virtual environment."""
    return [python_in_venv(), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]


def tell(what: str) -> None:
    """Say on stderr what is being done."""
    print(f"run.py: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
