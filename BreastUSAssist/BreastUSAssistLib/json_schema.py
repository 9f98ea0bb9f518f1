"""JSON schemas of the files that this project publishes, generated from their models."""

import ast
import inspect
import json
import textwrap
from typing import Any, get_args

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def published_schema(model: type[BaseModel], name: str, title: str) -> str:
    """Schema of `model` as the text of its file in Resources/Schema.

    `name` becomes `$id` (a URN: nothing needs to be fetched). The docstrings under the fields become descriptions; they
    are read from the source here, not when the models are imported, which would slow every start.
    """
    schema = model.model_json_schema(mode="serialization")
    definitions = schema.get("$defs", {})
    for part in _models(model):
        target = schema if part is model else definitions.get(part.__name__, {})
        for field, words in _field_docstrings(part).items():
            target.get("properties", {}).get(field, {}).setdefault("description", words)
    head = {"$schema": DIALECT, "$id": f"urn:breastusassist:schema:{name}", "title": title}
    return json.dumps({**head, **{key: schema[key] for key in schema if key != "title"}}, indent=2) + "\n"


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    waiting: list[Any] = [model]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind not in found:
                found.append(kind)
                waiting.extend(field.annotation for field in kind.model_fields.values())
        else:
            waiting.extend(get_args(kind))
    return found


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            words = ast.literal_eval(after.value) if isinstance(after.value, ast.Constant) else None
            if isinstance(words, str):
                found[field.target.id] = " ".join(words.split())
    return found
