"""`breastusassist models`: which models there are, what they are for, whether they are intact, and which is in use."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from . import models_promoted
from .arguments import print_json, subcommand

if TYPE_CHECKING:
    from ..model.bundle import Bundle
    from ..model.bundle_check import BackendCheck, BundleCheck


def add_to(commands: Any) -> None:
    """Add the command and its parts."""
    parser = commands.add_parser(
        "models",
        help="list, describe, verify, promote or roll back the models",
        description="Says which models there are, and which is in use. Research use only, not for diagnosis.",
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listed = subcommand(parts, "list", run_list, "list the models that are there", "breastusassist models list")
    listed.add_argument("folders", nargs="*", metavar="FOLDER", help="other bundles to list with the shipped ones")
    listed.add_argument("--store", type=Path, metavar="DIR", help="list those promoted in this label store instead")
    shown = subcommand(parts, "show", run_show, "say what a model is for", "breastusassist models show lesion-outline")
    shown.add_argument("name", metavar="NAME", help="name of a shipped bundle, or a folder")
    verified = subcommand(
        parts,
        "verify",
        run_verify,
        "check each file of the models and run them on every back end",
        "breastusassist models verify",
    )
    verified.add_argument(
        "names", nargs="*", metavar="NAME", help="name of a shipped bundle, or a folder (default: all that are shipped)"
    )
    models_promoted.add_to(parts)


def run_list(options: argparse.Namespace) -> int:
    """List the shipped bundles and the folders named; 0 even where one is not usable, which is said."""
    from ..model.bundle import shipped_bundles
    from . import DONE

    if options.store is not None:
        return models_promoted.run_list(options)
    rows = [_listed(folder) for folder in [*shipped_bundles(), *map(Path, options.folders)]]
    if options.json:
        print_json({"models": rows})
        return DONE
    table = [("NAME", "VERSION", "KIND", "SIZE", "SHA-256", "STATE")]
    for row in rows:
        size = _megabytes(row["bytes"]) if row["bytes"] is not None else "-"
        cells = (row["name"], row["version"] or "-", row["kind"] or "-", size, (row["sha256"] or "-")[:12])
        table.append((*cells, "ok" if row["ok"] else "not usable"))
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for index, line in enumerate(table):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if index:
            row = rows[index - 1]
            print(f"    {row['folder']}" if row["ok"] else f"    {row['problem']}")
    return DONE


def run_show(options: argparse.Namespace) -> int:
    """Print a bundle's intended use, data, inputs and outputs, figures and citations."""
    from ..model.bundle import load_bundle
    from . import DONE

    bundle = load_bundle(options.name, kind=None)
    shown = describe(bundle)
    if options.json:
        print_json(shown)
        return DONE
    print(f"{bundle.name} {bundle.version} ({bundle.kind}), {_megabytes(bundle.size)}")
    print(f"SHA-256 {bundle.sha256}\n{bundle.folder}\n")
    for title, key in (("For", "task"), ("Intended use", "intended_use"), ("Network", "description")):
        print(f"{title + ':':14}{shown[key]}")
    print(f"{'Data:':14}{shown['data']}")
    for title in ("inputs", "outputs"):
        print(f"{title.capitalize()}:")
        for name, words in shown[title].items():
            print(f"  {name:20}{words}")
    print("Citations:")
    for citation in shown["citations"]:
        print(f"  {citation}")
    print(f"\n{shown['figures']}\n" if shown["figures"] else "\nThe model card holds no figures.\n")
    print(f"The model card in full: {bundle.folder / 'docs' / 'README.md'}")
    return DONE


def run_verify(options: argparse.Namespace) -> int:
    """Verify bundles; 3 when one is damaged, unsafe, or answers differently on another back end."""
    from ..model.bundle import shipped_bundles
    from ..model.bundle_check import check_bundle
    from . import BAD_INPUT, DONE

    names = options.names or [str(folder) for folder in shipped_bundles()]
    checks = []
    for name in names:
        check = check_bundle(name)
        checks.append(check)
        if not options.json:
            _print_check(check)
    bad = sum(not check.ok for check in checks)
    if options.json:
        print_json({"models": [_check_as_json(check) for check in checks]})
    elif not checks:
        print("No model is there; install BreastUSAssist again.")
    else:
        count = len(checks)
        print(f"{bad} of {count} not usable" if bad else f"{count} model{'s' if count != 1 else ''} verified")
    return BAD_INPUT if bad or not checks else DONE


def describe(bundle: "Bundle") -> dict[str, Any]:
    """What a bundle says of itself in its metadata and its model card.

    Raises:
        ModelError: its metadata or card cannot be read.
    """
    from ..model.bundle import METADATA

    metadata = bundle.read_json(METADATA)
    formats = metadata.get("network_data_format")
    formats = formats if isinstance(formats, dict) else {}
    references = metadata.get("references")
    return {
        "name": bundle.name,
        "version": bundle.version,
        "kind": bundle.kind,
        "sha256": bundle.sha256,
        "folder": str(bundle.folder),
        "task": str(metadata.get("task", "not said")),
        "description": str(metadata.get("description", "not said")),
        "intended_use": str(metadata.get("intended_use", "not said")),
        "data": str(metadata.get("data_source", "not said")),
        "inputs": _described(formats.get("inputs")),
        "outputs": _described(formats.get("outputs")),
        "settings": bundle.settings.model_dump(mode="json"),
        "figures": figures_of(_card(bundle)),
        "citations": [str(reference) for reference in references] if isinstance(references, list) else [],
    }


def figures_of(card: str) -> str:
    """Sections of a model card (Markdown) whose headings speak of figures; empty where there are none."""
    kept: list[str] = []
    inside = False
    for line in card.splitlines():
        if line.startswith("## "):
            inside = "figure" in line.lower()
        if inside:
            kept.append(line)
    return "\n".join(kept).strip()


def _card(bundle: "Bundle") -> str:
    if "docs/README.md" not in bundle.files:
        return ""
    try:
        return bundle.read("docs/README.md").decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{bundle.folder}/docs/README.md is no text; use an unchanged bundle.") from error


def _described(parts: Any) -> dict[str, str]:
    described = {}
    for name, part in parts.items() if isinstance(parts, dict) else ():
        if isinstance(part, dict):
            extent = " x ".join(str(length) for length in part.get("spatial_shape") or ())
            channels = part.get("channel_def")
            names = [str(name) for name in channels.values()] if isinstance(channels, dict) else []
            terms = (
                f"{len(names)} numbers"
                if all(name.isdigit() for name in names[1:]) and len(names) > 9
                else ", ".join(names)
            )
            words = [str(part.get("format", "")), extent, str(part.get("dtype", ""))]
            described[str(name)] = ", ".join(word for word in words if word) + (f": {terms}" if terms else "")
    return described


def _listed(folder: Path) -> dict[str, Any]:
    from ..model.bundle import load_bundle

    row: dict[str, Any] = {"name": folder.name, "version": None, "kind": None, "bytes": None, "sha256": None}
    row |= {"ok": False, "problem": None, "folder": str(folder)}
    try:
        bundle = load_bundle(folder, kind=None)
    except ModelError as error:
        return {**row, "problem": str(error)}
    found = {"name": bundle.name, "version": bundle.version, "kind": bundle.kind, "bytes": bundle.size}
    return {**row, **found, "sha256": bundle.sha256, "ok": True, "folder": str(bundle.folder)}


def _print_check(check: "BundleCheck") -> None:
    bundle = check.bundle
    if bundle is None:
        print(f"{check.folder.name}\n  {check.problems[0]}\n")
        return
    print(f"{bundle.name} {bundle.version} ({bundle.kind}), {_megabytes(bundle.size)}, SHA-256 {bundle.sha256[:12]}")
    print(f"  {'files':13}{len(bundle.files)}, all with their recorded SHA-256")
    for backend in check.backends:
        print(f"  {backend.name:13}{_backend_words(backend)}")
    for problem in check.problems:
        print(f"  {problem}")
    print("  ok\n" if check.ok else "")


def _backend_words(backend: "BackendCheck") -> str:
    if backend.version is None:
        return "cannot run it"
    words = f"{backend.version}, {backend.precision} on {backend.device}"
    if backend.difference is None:
        return f"{words}: the others are compared with it"
    dice = "" if backend.dice is None else f"Dice at least {backend.dice:.4f}, "
    return f"{words}: {dice}probabilities within {backend.difference:.4f}"


def _check_as_json(check: "BundleCheck") -> dict[str, Any]:
    bundle = check.bundle
    return {
        "name": bundle.name if bundle else check.folder.name,
        "version": bundle.version if bundle else None,
        "kind": bundle.kind if bundle else None,
        "sha256": bundle.sha256 if bundle else None,
        "folder": str(check.folder),
        "ok": check.ok,
        "problems": list(check.problems),
        "files": len(bundle.files) if bundle else None,
        "backends": [vars(backend) for backend in check.backends],
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
