"""Adding, changing and removing a PACS node, and its password, which goes into the keyring alone."""

from typing import Any

import ctk
from slicer.i18n import tr as _

from .pacs_requests import Pacs

WAYS = ("web", "dimse", "both")
"""In the order of the combo box's items, as the following."""
LOGINS = ("none", "basic", "bearer", "certificate")
RETRIEVALS = ("get", "move")
DEFAULTS: dict[str, Any] = {
    "name": "",
    "way": "web",
    "url": "",
    "auth": "none",
    "user": "",
    "host": "",
    "port": 104,
    "ae_title": "",
    "calling_ae_title": "BREASTUSASSIST",
    "retrieve": "get",
    "listening_port": 11112,
    "tls": False,
    "ca_file": "",
    "certificate": "",
    "key": "",
}
"""A node as the form shows it, see service.worker_pacs.node_of_form."""


class PacsNodeForm:
    """The fields below Edit. Nothing is written before Keep is pressed."""

    def __init__(self, ui: Any, pacs: Pacs) -> None:
        self._ui, self._pacs = ui, pacs
        self._before = ""
        self._filling = False
        self._lines = {
            "name": ui.nodeNameLineEdit,
            "url": ui.urlLineEdit,
            "user": ui.userLineEdit,
            "host": ui.hostLineEdit,
            "ae_title": ui.aeTitleLineEdit,
            "calling_ae_title": ui.callingLineEdit,
        }
        self._choices = {
            "way": (ui.wayComboBox, WAYS),
            "auth": (ui.authComboBox, LOGINS),
            "retrieve": (ui.retrieveComboBox, RETRIEVALS),
        }
        self._numbers = {"port": ui.portSpinBox, "listening_port": ui.listenSpinBox}
        self._paths = {
            "ca_file": ui.caPathLineEdit,
            "certificate": ui.certificatePathLineEdit,
            "key": ui.keyPathLineEdit,
        }
        for edit in self._lines.values():
            edit.textChanged.connect(self._on_changed)
        for combo, _values in self._choices.values():
            combo.currentIndexChanged.connect(self._on_changed)
        for path_edit in self._paths.values():
            path_edit.filters = ctk.ctkPathLineEdit.Files
            path_edit.currentPathChanged.connect(self._on_changed)
        ui.secretLineEdit.textChanged.connect(self._on_changed)
        ui.tlsCheckBox.toggled.connect(self._on_changed)
        ui.keepNodeButton.clicked.connect(self._on_keep)
        ui.newNodeButton.clicked.connect(lambda checked=False: self.show(""))
        ui.removeNodeButton.clicked.connect(self._on_remove)
        pacs.changed.connect(self._show_state)
        self.show("")

    def show(self, name: str) -> None:
        """Fill the fields with a node that is known; with an empty or unknown name with those of a new one."""
        node = self._pacs.node(name)
        self._before = name if node is not None else ""
        values = {**DEFAULTS, **(node or {})}
        self._filling = True
        try:
            for key, edit in self._lines.items():
                edit.setText(str(values[key]))
            for key, (combo, possible) in self._choices.items():
                combo.setCurrentIndex(possible.index(values[key]))
            for key, spin in self._numbers.items():
                spin.setValue(int(values[key]))
            for key, path_edit in self._paths.items():
                path_edit.setCurrentPath(str(values[key]))
            self._ui.tlsCheckBox.setChecked(bool(values["tls"]))
            self._ui.secretLineEdit.setText("")
        finally:
            self._filling = False
        self._show_state()

    def values(self) -> dict[str, Any]:
        """The node as the fields say, without its password."""
        values: dict[str, Any] = {key: str(edit.text).strip() for key, edit in self._lines.items()}
        values |= {key: possible[int(combo.currentIndex)] for key, (combo, possible) in self._choices.items()}
        values |= {key: int(spin.value) for key, spin in self._numbers.items()}
        values |= {key: str(path_edit.currentPath).strip() for key, path_edit in self._paths.items()}
        return {**values, "tls": bool(self._ui.tlsCheckBox.checked)}

    def _on_changed(self, *_args: Any) -> None:
        if not self._filling:
            self._show_state()

    def _on_keep(self, checked: bool = False) -> None:
        secret = str(self._ui.secretLineEdit.text)
        values = self.values()
        self._ui.secretLineEdit.setText("")
        self._pacs.keep_node(values, secret, self._before)
        self._before = str(values["name"])

    def _on_remove(self, checked: bool = False) -> None:
        name, self._before = self._before, ""
        self._pacs.remove_node(name)

    def _show_state(self) -> None:
        ui, values = self._ui, self.values()
        web, dimse = values["way"] != "dimse", values["way"] != "web"
        ui.webFrame.setVisible(web)
        ui.dimseFrame.setVisible(dimse)
        certified = (web and values["auth"] == "certificate") or (dimse and values["tls"])
        ui.certificateFrame.setVisible(web or values["tls"])
        for widget in (ui.certificateLabel, ui.certificatePathLineEdit, ui.keyLabel, ui.keyPathLineEdit):
            widget.setVisible(certified)
        for widget in (ui.userLabel, ui.userLineEdit):
            widget.setVisible(values["auth"] == "basic")
        for widget in (ui.secretLabel, ui.secretLineEdit):
            widget.setVisible(values["auth"] in ("basic", "bearer"))
        ui.secretLabel.setText(_("Token") if values["auth"] == "bearer" else _("Password"))
        for widget in (ui.listenLabel, ui.listenSpinBox):
            widget.setVisible(values["retrieve"] == "move")
        missing = self._missing(values)
        ui.keepNodeButton.setEnabled(not missing and not self._pacs.working)
        ui.removeNodeButton.setEnabled(bool(self._before) and not self._pacs.working)
        self._show_hint(missing)

    def _show_hint(self, missing: str) -> None:
        known = self._pacs.node(self._before) is not None
        self._ui.secretLineEdit.setPlaceholderText(_("unchanged") if known else _("none yet"))
        text = _("Nodes are kept in {file}, passwords in the keyring.").format(file=self._pacs.nodes_file)
        self._ui.nodeHintLabel.setText(missing or (text if self._pacs.nodes_file else ""))

    def _missing(self, values: dict[str, Any]) -> str:
        """What has to be typed before the node can be kept; empty where nothing is."""
        if not values["name"]:
            return _("Give the node a name.")
        if values["way"] != "dimse" and not values["url"]:
            return _("Give its DICOMweb address.")
        if values["way"] != "web" and not (values["host"] and values["ae_title"] and values["calling_ae_title"]):
            return _("Give its host and both AE titles.")
        return ""
