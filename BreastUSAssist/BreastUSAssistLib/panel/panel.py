"""The panel: worklist, PACS, five sections in reading order, learning, status line; each has a file and a .ui."""

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from .analyze_section import AnalyzeSection
from .autosaving import Autosaving
from .case_section import CaseSection
from .correct_section import CorrectSection
from .findings_section import FindingsSection
from .finish_section import FinishSection
from .icons import is_dark, show_icons
from .install_bar import InstallBar
from .learn_section import LearnSection
from .pacs_requests import Pacs
from .pacs_section import PacsSection
from .pacs_send_row import PacsSendRow
from .revising import Revising
from .session import Session
from .shortcuts import Shortcuts
from .worklist_section import WorklistSection

SECTIONS = ("worklist", "pacs", "case", "analyze", "findings", "correct", "finish", "learn")


class Panel:
    """Builds the sections over one session and passes Slicer's calls on."""

    def __init__(self, logic: Any, resource_path: Callable[[str], str]) -> None:
        self.widget = slicer.util.loadUI(resource_path("UI/BreastUSAssist.ui"))
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.session = Session(slicer.mrmlScene, logic)
        parts = {name: self._load(name, resource_path) for name in SECTIONS}
        self.install = InstallBar(self.ui, self.session)
        self.case = CaseSection(parts["case"], self.session)
        self.analyze = AnalyzeSection(parts["analyze"], self.session, self.case, self.install.ensure)
        self.findings = FindingsSection(parts["findings"], self.session)
        self.correct = CorrectSection(parts["correct"], self.session)
        self.revising = Revising(self.session)
        self.finish = FinishSection(parts["finish"], self.session, self.revising)
        self.autosaving = Autosaving(self.session, self.finish, self.ui)
        self.worklist = WorklistSection(parts["worklist"], self.session, self.finish)
        self.learn = LearnSection(parts["learn"], self.session, self.finish)
        requests = Pacs(self.session)
        self.pacs = PacsSection(parts["pacs"], self.session, requests)
        self.send = PacsSendRow(parts["finish"], parts["pacs"], self.session, requests)
        self.session.said.connect(self._say)
        self.session.case_changed.connect(self._bind)
        self._bound: Any = None
        self._all_parts = list(parts.values())
        self._parts = [parts["case"], parts["analyze"], parts["finish"]]
        self.shortcuts = Shortcuts(
            {
                "Alt+Left": lambda: self.case.step(-1),
                "Alt+Right": lambda: self.case.step(1),
                "Alt+G": self.analyze.start,
                "Alt+C": self.correct.toggle_clicks,
                "Alt+Z": self.correct.undo,
                "Alt+Y": self.correct.redo,
                "Alt+Down": lambda: self.findings.step(1),
                "Alt+Up": lambda: self.findings.step(-1),
                "Alt+A": self.finish.accept,
                "Alt+X": self.finish.reject,
                "Alt+N": self.finish.next,
                "Alt+S": self.finish.export,
                "Alt+W": self.worklist.next,
                "Alt+B": self.worklist.back,
                "Alt+T": self.worklist.dispute.take_next,
            }
        )
        self._entered = False

    def enter(self) -> None:
        """The module is shown."""
        self._entered = True
        for part in self._all_parts:
            show_icons(part, is_dark(self.widget))
        self.install.show()
        if self.session.parameters is None:
            self.session.start()
        self.correct.enter()
        self.send.enter()
        self.shortcuts.enter()

    def exit(self) -> None:
        """Another module is shown."""
        self._entered = False
        self.autosaving.keep_now()
        self.shortcuts.exit()
        self.correct.exit()

    def scene_closing(self) -> None:
        """The scene's nodes are about to be removed."""
        self._unbind()
        self.pacs.scene_closing()
        self.session.stop()

    def scene_changed(self) -> None:
        """The scene is another one, or an empty one."""
        if self._entered:
            self._unbind()
            self.session.stop()
            self.session.start()

    def close(self) -> None:
        """Slicer ends, or the module is reloaded."""
        self.exit()
        self._unbind()
        self.correct.close()
        self.pacs.close()
        self.send.close()
        self.session.close()
        self.autosaving.close()

    def _load(self, name: str, resource_path: Callable[[str], str]) -> Any:
        widget = slicer.util.loadUI(resource_path(f"UI/{name.title()}Section.ui"))
        getattr(self.ui, f"{name}Button").layout().addWidget(widget)
        variables = slicer.util.childWidgetVariables(widget)
        variables.section = widget
        return variables

    def _bind(self) -> None:
        """Tie the controls that name a parameter to the parameter node of this scene."""
        parameters = self.session.parameters
        if parameters is None:
            self._unbind()
        elif self._bound is None:
            # connectGui does the same but gives no tag to take it back with.
            tags = [parameters.connectParametersToGui(_named_by_parameter(part)) for part in self._parts]
            self._bound = [(parameters, tag) for tag in tags]

    def _unbind(self) -> None:
        for parameters, tag in self._bound or ():
            parameters.disconnectGui(tag)
        self._bound = None

    def _say(self, sentence: str, kind: str) -> None:
        sign = "✖ " if kind == "error" else ""
        self.ui.statusLabel.setText(sign + sentence if sentence else _("Ready."))


def _named_by_parameter(part: Any) -> dict[str, Any]:
    """Widgets of a section by the parameter that its .ui file names for them."""
    named = {widget.property("SlicerParameterName"): widget for widget in vars(part).values() if widget is not None}
    return {str(name): widget for name, widget in named.items() if name}
