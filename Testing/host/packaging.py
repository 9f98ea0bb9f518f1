"""Stand-in of `slicer.packaging`: says what is missing, and records what was asked for instead of installing it.

Names and arguments as in Base/Python/slicer/packaging.py of Slicer 5.12; `asked`, `answer` and `fail_with` are the
host's own, for a test to look at and to say what the user answers.
"""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

Requirements = str | Requirement | list[str | Requirement]

asked: list[dict[str, Any]] = []
"""Each call of `pip_install` and `pip_ensure` that would have installed something, with its arguments."""

answer = True
"""Whether the user agrees to an installation."""

fail_with: Exception | None = None
"""What the next installations raise, for instance subprocess.CalledProcessError without a network."""


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements of a file; comments, empty lines and options of pip are left out."""
    lines = (line.strip() for line in Path(path).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def load_pyproject_dependencies(path: str | Path) -> list[Requirement]:
    """`project.dependencies` of a pyproject.toml."""
    import tomllib

    data = tomllib.loads(Path(path).read_text())
    if "project" not in data:
        raise KeyError(f"pyproject.toml has no [project] table: {path}")
    return [Requirement(each) for each in data["project"].get("dependencies", [])]


def pip_check(req: Requirements) -> bool:
    """Whether all are installed in a version that fits; extras are not followed here."""
    return all(_is_satisfied(each) for each in _listed(req))


def pip_ensure(
    requirements: Requirements,
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Install what is missing, asked first; nothing in testing mode unless `skip_in_testing` is False.

    Raises:
        RuntimeError: where the user says no.
    """
    import slicer

    missing = [each for each in _listed(requirements) if not _is_satisfied(each)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return None
    if prompt_install and not answer:
        raise RuntimeError("User declined package installation")
    return pip_install(
        [str(each) for each in missing],
        constraints=constraints,
        skip_packages=skip_packages,
        show_progress=show_progress,
        requester=requester,
    )


def pip_install(
    requirements: str | list[str],
    constraints: str | Path | None = None,
    no_deps_requirements: str | list[str] | None = None,
    skip_packages: list[str] | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
    parent: Any = None,
    logCallback: Callable[[str], None] | None = None,  # noqa: N803 - Slicer's names
    completedCallback: Callable[[int], None] | None = None,  # noqa: N803
) -> list[str] | None:
    """Record the call."""
    if skip_packages is not None and (no_deps_requirements is not None or not blocking):
        raise ValueError("skip_packages goes neither with no_deps_requirements nor with blocking=False")
    asked.append(
        {
            "requirements": requirements.split() if isinstance(requirements, str) else list(requirements),
            "constraints": constraints,
            "no_deps_requirements": no_deps_requirements,
            "skip_packages": skip_packages,
            "blocking": blocking,
            "requester": requester,
        }
    )
    if fail_with is not None:
        raise fail_with
    if not blocking and completedCallback is not None:
        completedCallback(0)
    return [] if skip_packages is not None else None


def pip_uninstall(requirements: str | list[str], blocking: bool = True, **how: Any) -> None:
    """Record the call."""
    asked.append({"uninstall": requirements, "blocking": blocking})


def isPipInstallInProgress() -> bool:  # noqa: N802
    return False


def _listed(requirements: Requirements) -> list[Requirement]:
    if isinstance(requirements, Requirement):
        return [requirements]
    if isinstance(requirements, str):
        return (
            [Requirement(requirements)] if ";" in requirements else [Requirement(each) for each in requirements.split()]
        )
    return [Requirement(each) if isinstance(each, str) else each for each in requirements]


def _is_satisfied(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return importlib.metadata.version(requirement.name) in requirement.specifier
    except importlib.metadata.PackageNotFoundError:
        return False
