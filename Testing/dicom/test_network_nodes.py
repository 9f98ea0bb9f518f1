"""The file of nodes, and where their secrets are."""

import json
import tomllib
from pathlib import Path

import jsonschema
import keyring.errors
import pytest
from BreastUSAssistLib.dicom.network.node_settings import NodesFile
from BreastUSAssistLib.dicom.network.nodes import (
    DimseService,
    PacsNode,
    Retries,
    TlsSettings,
    WebService,
    default_nodes_file,
    load_nodes,
    node_named,
    remove_node,
    save_node,
)
from BreastUSAssistLib.dicom.network.secrets import SecretStore, variable_of
from BreastUSAssistLib.errors import BreastUSAssistError, InputError, UsageError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.json_schema import published_schema
from hypothesis import given
from hypothesis import strategies as st

EXAMPLE = """\
# ours
schema_version = "1.0"

[nodes.archive.web]
url = "https://pacs.example/dicom-web"   # asked the radiology
auth = "basic"
user = "alice"
ca_file = "hospital.crt"

[nodes.modality]
dimse = { host = "10.0.0.7", port = 104, ae_title = "US1" }
retries.attempts = 2
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "nodes.toml"
    path.write_text(EXAMPLE)
    return path


class FakeKeyring:
    """A keyring of the test: the machine's own must not be written to."""

    def __init__(self, broken: bool = False) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self._broken = broken

    def get_password(self, service_name: str, username: str) -> str | None:
        self._work()
        return self.kept.get((service_name, username))

    def set_password(self, service_name: str, username: str, password: str) -> None:
        self._work(password)
        self.kept[service_name, username] = password

    def delete_password(self, service_name: str, username: str) -> None:
        del self.kept[service_name, username]

    def _work(self, password: str = "") -> None:
        if self._broken:
            raise keyring.errors.KeyringError(f"cannot keep {password}")


def web_node(**changes: object) -> PacsNode:
    fields = {"url": "https://pacs.example/dicom-web", "auth": "basic", "user": "alice"} | changes
    return PacsNode.model_validate({"name": "archive", "web": fields})


def test_nodes_are_read_in_any_way_of_toml(path: Path) -> None:
    nodes = load_nodes(path)
    assert list(nodes) == ["archive", "modality"]
    assert nodes["archive"].web is not None and nodes["archive"].web.ca_file == path.parent / "hospital.crt"
    assert nodes["modality"].dimse == DimseService(host="10.0.0.7", port=104, ae_title="US1")
    assert nodes["modality"].retries == Retries(attempts=2)
    assert load_nodes(path.parent / "none.toml") == {}
    with pytest.raises(UsageError, match="known are archive, modality"):
        node_named("archvie", path)


def test_a_node_is_saved_and_removed_and_the_rest_of_the_file_stays(path: Path) -> None:
    before = load_nodes(path)
    added = PacsNode(
        name="new",
        web=WebService(url="http://localhost:8042/dicom-web"),
        dimse=DimseService(
            host="localhost", port=4242, ae_title="O", retrieve="move", listening_port=11113, tls=TlsSettings()
        ),
    )
    save_node(path, added)
    assert load_nodes(path) == before | {"new": added}
    assert "# ours" in path.read_text() and "# asked the radiology" in path.read_text()
    changed = added.model_copy(update={"dimse": None})
    save_node(path, changed)
    assert load_nodes(path)["new"] == changed
    remove_node(path, "new")
    assert load_nodes(path) == before
    with pytest.raises(UsageError, match="new is not in"):
        remove_node(path, "new")
    save_node(path.parent / "sub" / "other.toml", added)
    assert load_nodes(path.parent / "sub" / "other.toml") == {"new": added}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('auth = "basic"', 'auth = "password"', r"line 6, nodes.archive.web.auth: "),
        ('"https://pacs', '"https://alice:pw@pacs', r"line 4, nodes.archive.web: url must not hold"),
        ('"https://pacs', '"http://pacs', r"line 4, nodes.archive.web: a password would go unencrypted"),
        ('user = "alice"', 'usr = "alice"', r"line 7, nodes.archive.web.usr: "),
        ("port = 104", "port = 0", r"line 11, nodes.modality.dimse.port: "),
        ('"US1"', '"A TITLE THAT IS TOO LONG"', r"line 11, nodes.modality.dimse.ae_title: an AE title has"),
        ("attempts = 2", "attempts = 0", r"line 12, nodes.modality.retries.attempts: "),
        ('"1.0"', '"2.0"', r"line 2: schema_version 2.0 is not known"),
        ("[nodes.modality]", "[nodes.ARCHIVE]", r"line 10: nodes archive and ARCHIVE differ too little"),
        ("[nodes.modality]", "[modality]", r"line 10: modality is not known"),
        ("[nodes.modality]", "[nodes.modality", r"line 10, column \d+: this is not TOML"),
        ("[nodes.modality]", "[nodes.'../etc']", r"nodes.../etc.name: "),
    ],
)
def test_a_fault_names_line_and_field(path: Path, old: str, new: str, words: str) -> None:
    path.write_text(EXAMPLE.replace(old, new))
    with pytest.raises(InputError, match=words) as error:
        load_nodes(path)
    assert "alice" not in str(error.value)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_is_read_or_refused_in_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("n") / "nodes.toml"
    path.write_bytes(EXAMPLE.encode() + content)
    try:
        load_nodes(path)
    except InputError as error:
        assert str(error).startswith(str(path))


def test_a_large_or_deep_file_is_refused(path: Path) -> None:
    for content in ("#" * 2**20, "a = " + "[" * 20000):
        path.write_text(content)
        with pytest.raises(InputError):
            load_nodes(path)


def test_the_published_schema_is_the_generated_one(path: Path) -> None:
    text = resource_path("Schema", "nodes-1.0.schema.json").read_text("utf-8")
    assert text == published_schema(NodesFile, "nodes-1.0", "Named nodes of a PACS")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(path.read_text()), schema, cls=jsonschema.Draft202012Validator)


def test_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_nodes_file({"BREASTUS_NODES": "/a/b.toml"}) == Path("/a/b.toml")
    monkeypatch.setattr("sys.platform", "linux")
    assert default_nodes_file({"XDG_CONFIG_HOME": "/c"}) == Path("/c/BreastUSAssist/nodes.toml")
    monkeypatch.setattr("sys.platform", "win32")
    assert default_nodes_file({"APPDATA": "/d"}) == Path("/d/BreastUSAssist/nodes.toml")


def test_a_secret_is_kept_found_and_forgotten() -> None:
    node, backend = web_node(), FakeKeyring()
    store = SecretStore({}, backend)
    assert not store.has_secret(node)
    with pytest.raises(UsageError, match="set BREASTUS_PACS_ARCHIVE_PASSWORD"):
        store.read_secret(node)
    store.keep_secret(node, "geheim")
    assert store.read_secret(node) == "geheim" and store.has_secret(node)
    assert SecretStore({variable_of(node): "other"}, backend).read_secret(node) == "other"
    store.forget_secret(node)
    store.forget_secret(node)
    assert not store.has_secret(node)


def test_a_secret_goes_to_the_address_it_was_entered_for_alone() -> None:
    store = SecretStore({}, FakeKeyring())
    store.keep_secret(web_node(), "geheim")
    assert store.has_secret(web_node(url="https://pacs.example:443/other"))
    assert not store.has_secret(web_node(url="https://elsewhere.example/dicom-web"))
    assert not store.has_secret(web_node(url="https://pacs.example:8443/dicom-web"))


def test_nodes_without_a_secret_need_no_keyring() -> None:
    node = web_node(auth="none", user=None)
    store = SecretStore({}, FakeKeyring(broken=True))
    assert store.read_secret(node) is None and store.has_secret(node)
    with pytest.raises(UsageError, match="asks for no password"):
        store.keep_secret(node, "x")


@given(st.text(max_size=40))
def test_no_message_and_no_repr_holds_the_secret(text: str) -> None:
    secret = f"§{text}§"
    backend = FakeKeyring()
    stores = (SecretStore({}, backend), SecretStore({}, FakeKeyring(broken=True)))
    for store in stores:
        for node in (web_node(), web_node(auth="bearer", user=None)):
            said = repr(store) + repr(node)
            try:
                store.keep_secret(node, secret)
                assert (store.read_secret(node) == secret and secret.isprintable()) or secret not in said
            except BreastUSAssistError as error:
                cause = error.__cause__ or error.__context__ if not error.__suppress_context__ else None
                said += str(error) + repr(cause)
            assert secret not in said


def test_a_secret_cannot_add_headers() -> None:
    for secret in ("a\r\nX-Header: 1", "a\n", "", "\0", "x" * 9000):
        with pytest.raises(UsageError, match="empty or holds a line end"):
            SecretStore({}, FakeKeyring()).keep_secret(web_node(), secret)
        if secret:
            with pytest.raises(UsageError):
                SecretStore({"BREASTUS_PACS_ARCHIVE_PASSWORD": secret}).read_secret(web_node())
