"""DICOMweb (PS3.18): studies are searched (QIDO-RS), fetched (WADO-RS) and stored (STOW-RS)."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ...errors import InputError, UsageError
from ..reading import LARGEST_FILE
from .errors import NodeError
from .exchange import (
    Attend,
    CommitOutcome,
    EchoResult,
    InstanceFound,
    Progress,
    PulledStudy,
    PushOutcome,
    StudyFound,
    StudyQuery,
)
from .failure_reasons import failure_reason
from .http import HttpService
from .multipart import dicom_body, write_dicom_part
from .node_settings import PacsNode
from .received_files import Identity, is_uid, kept_as, make_folder, read_identity, whole_file
from .retrying import Retrier
from .study_search import is_match, is_widened, parameters
from .web_answers import (
    INSTANCE_FIELDS,
    STUDY_FIELDS,
    Item,
    instance_of,
    items_of,
    number_of,
    study_of,
    text_of,
    values_of,
)

_JSON = "application/dicom+json"
_ANY_WAY = 'multipart/related; type="application/dicom"'
_AS_STORED = f"{_ANY_WAY}; transfer-syntax=*"
"""Nothing is decoded or coded anew; services that do not know the star answer 406 (PS3.18 8.7.3.5.2)."""
_LARGEST_SEARCH = 2**25
"""Bytes of one page of a search."""
_PAGE = 200
MOST_INSTANCES = 20000
"""Of one study."""
_MOST_SORTED = 5000
"""Studies among which those that match are sought, where a service cannot be asked exactly."""


class WebConnection:
    """A node's DICOMweb service; see `connection.PacsConnection`."""

    def __init__(
        self,
        node: PacsNode,
        secret: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._node = node
        self._clock = clock
        self._http = HttpService(node, secret, clock)
        self._retrier = Retrier(node.retries, sleep)

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def echo(self) -> EchoResult:
        """Search for one study: DICOMweb has no echo of its own. Asked once, so that a fault shows at once."""
        started = self._clock()
        self._search_once("/studies", {"limit": "1"})
        return EchoResult("DICOMweb answers", (self._clock() - started) * 1000)

    def find_studies(self, query: StudyQuery) -> tuple[StudyFound, ...]:
        """QIDO-RS studies, page by page."""
        found: dict[str, StudyFound] = {}
        most = max(query.limit, _MOST_SORTED) if is_widened(query) else query.limit
        for item in self._pages("/studies", parameters(query), STUDY_FIELDS, most, None):
            if is_match(query, item):
                study = study_of(item, self._node.name)
                found.setdefault(study.study_uid, study)
            if len(found) >= query.limit:
                break
        return tuple(found.values())

    def instances(self, study_uid: str, attend: Attend | None = None) -> tuple[InstanceFound, ...]:
        """QIDO-RS instances of a study."""
        path = f"/studies/{_checked(study_uid)}/instances"
        found: dict[str, InstanceFound] = {}
        for item in self._pages(path, {}, INSTANCE_FIELDS, MOST_INSTANCES, attend):
            instance = instance_of({"0020000D": {"Value": [study_uid]}, **item}, self._node.name)
            if instance.study_uid != study_uid:
                raise NodeError(f"Node {self._node.name} answered for another study; check the node.", "nonsense")
            found.setdefault(instance.sop_instance_uid, instance)
        if not found:
            raise NodeError(f"Node {self._node.name} does not hold this study; search again.", "missing")
        return tuple(found.values())

    def pull(
        self,
        study_uid: str,
        folder: Path,
        *,
        series: Collection[str] = (),
        attend: Attend | None = None,
        progress: Progress | None = None,
    ) -> PulledStudy:
        """WADO-RS of each instance that is not in the folder yet."""
        wanted = [one for one in self.instances(study_uid, attend) if not series or one.series_uid in series]
        make_folder(folder)
        files, skipped = [], []
        for index, instance in enumerate(wanted):
            if progress is not None:
                progress(index, len(wanted))
            if attend is not None:
                attend()
            path = whole_file(folder, instance.sop_instance_uid, study_uid)
            if path is None:
                try:
                    path = self._fetch(instance, folder, attend)
                except NodeError as error:
                    if error.kind not in ("missing", "refused") or error.retryable:
                        raise
                    skipped.append((instance.sop_instance_uid, str(error)))
                    continue
            files.append(path)
        if progress is not None:
            progress(len(wanted), len(wanted))
        return PulledStudy(tuple(files), tuple(skipped))

    def present(self, sop_instance_uids: Collection[str], attend: Attend | None = None) -> frozenset[str]:
        """QIDO-RS for each."""
        found = set()
        for uid in sop_instance_uids:
            if attend is not None:
                attend()
            if self._holds(uid, attend):
                found.add(uid)
        return frozenset(found)

    def push(
        self, files: Sequence[Path], *, attend: Attend | None = None, progress: Progress | None = None
    ) -> tuple[PushOutcome, ...]:
        """STOW-RS, one object a request, as its file is."""
        outcomes: list[PushOutcome] = []
        for index, (path, identity) in enumerate([(path, read_identity(path)) for path in files]):
            if progress is not None:
                progress(index, len(files))
            if attend is not None:
                attend()
            outcomes.append(self._store(path, identity, attend))
        if progress is not None:
            progress(len(files), len(files))
        return tuple(outcomes)

    def commit(self, files: Sequence[Path], attend: Attend | None = None) -> CommitOutcome:
        """DICOMweb has no storage commitment that services offer: they are asked whether they hold the objects."""
        uids = [read_identity(path).sop_instance_uid for path in files]
        held = self.present(uids, attend)
        failed = tuple((uid, "the node does not hold it") for uid in uids if uid not in held)
        return CommitOutcome(held, failed, "query")

    def _fetch(self, instance: InstanceFound, folder: Path, attend: Attend | None) -> Path:
        return self._retrier.run(lambda _: self._fetch_once(instance, folder), attend)

    def _fetch_once(self, instance: InstanceFound, folder: Path) -> Path:
        path = f"/studies/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.sop_instance_uid}"
        with kept_as(folder, instance.sop_instance_uid) as beside:
            if not self._brought(path, _AS_STORED, beside, (200, 406)):
                self._brought(path, _ANY_WAY, beside, (200,))
            self._check_identity(beside, instance)
        return folder / f"{instance.sop_instance_uid}.dcm"

    def _brought(self, path: str, accept: str, beside: Path, accepted: tuple[int, ...]) -> bool:
        """Whether the service sent the object in a way that is accepted; then it is in the file `beside`."""
        with self._http.request("GET", path, headers={"Accept": accept}, accepted=accepted) as answer:
            if answer.status != 200:
                return False
            with open(beside, "wb") as file:
                write_dicom_part(answer, file.write, self._node.name, LARGEST_FILE)
            return True

    def _check_identity(self, path: Path, instance: InstanceFound) -> None:
        wanted = (instance.sop_class_uid, instance.sop_instance_uid, instance.series_uid, instance.study_uid)
        try:
            found = read_identity(path)
        except InputError:
            found = None
        if found is None or (found.sop_class_uid, found.sop_instance_uid, found.series_uid, found.study_uid) != wanted:
            what = "a file that is not DICOM" if found is None else "another object than was asked for"
            raise NodeError(f"Node {self._node.name} answered with {what}; nothing of it was kept.", "nonsense")

    def _store(self, path: Path, identity: Identity, attend: Attend | None) -> PushOutcome:
        return self._retrier.run(lambda tried: self._store_once(path, identity.sop_instance_uid, tried), attend)

    def _store_once(self, path: Path, uid: str, tried: int) -> PushOutcome:
        if self._holds_once(uid):
            # After a lost answer the object may have arrived all the same.
            return PushOutcome(uid, "sent" if tried else "already there")
        body, length, kind = dicom_body(path)
        headers = {"Content-Type": kind, "Accept": _JSON}
        # 409: nothing could be stored; its body says why (PS3.18 10.5.3).
        with self._http.request(
            "POST", "/studies", headers=headers, body=body, length=length, accepted=(200, 202, 204, 400, 409)
        ) as answer:
            content, status = answer.content(_LARGEST_SEARCH), answer.status
        return self._stored(uid, content, status)

    def _stored(self, uid: str, content: bytes, status: int) -> PushOutcome:
        """What the service says that it did with the object; where it says nothing of it, it is asked."""
        try:
            report = next(iter(items_of(content if content.lstrip()[:1] == b"[" else b"[" + content + b"]", "")), {})
        except NodeError:
            report = {}
        failed = {text_of(one, "00081155"): number_of(one, "00081197") for one in _sequence(report, "00081198")}
        if uid in failed:
            return self._refused(uid, failed[uid])
        if uid in {text_of(one, "00081155") for one in _sequence(report, "00081199")} or self._holds_once(uid):
            return PushOutcome(uid, "sent")
        return PushOutcome(uid, "refused", f"it was not stored (HTTP {status})")

    def _refused(self, uid: str, reason: int | None) -> PushOutcome:
        if reason is not None and reason & 0xFF00 == 0xA700:
            raise NodeError(f"Node {self._node.name} is out of space; try again later.", "busy")
        return PushOutcome(uid, "refused", failure_reason(reason))

    def _holds(self, uid: str, attend: Attend | None) -> bool:
        return self._retrier.run(lambda _: self._holds_once(uid), attend)

    def _holds_once(self, uid: str) -> bool:
        items = self._search_once("/instances", {"SOPInstanceUID": _checked(uid), "limit": "2"})
        # A service that does not know the parameter answers with other objects.
        return any(text_of(item, "00080018") == uid for item in items)

    def _pages(
        self, path: str, query: dict[str, str], fields: Sequence[str], limit: int, attend: Attend | None
    ) -> Iterator[Item]:
        seen: set[str] = set()
        offset = 0
        while offset < limit:
            if attend is not None:
                attend()
            asked = {**query, "limit": str(min(_PAGE, limit - offset)), "offset": str(offset)}
            items = self._search(path, asked, fields, attend)
            new = [item for item in items if _key(item) not in seen]
            seen.update(map(_key, new))
            yield from new
            # A service that knows no paging answers with all at once, and with the same again.
            if not new or len(items) != int(asked["limit"]):
                return
            offset += len(items)

    def _search(self, path: str, query: dict[str, str], fields: Sequence[str], attend: Attend | None) -> list[Item]:
        return self._retrier.run(lambda _: self._search_once(path, query, fields), attend)

    def _search_once(self, path: str, query: dict[str, str], fields: Sequence[str] = ()) -> list[Item]:
        asked = urlencode([*query.items(), *(("includefield", field) for field in fields)], quote_via=quote, safe="*?")
        with self._http.request("GET", f"{path}?{asked}", headers={"Accept": _JSON}, accepted=(200, 204)) as answer:
            return items_of(answer.content(_LARGEST_SEARCH), self._node.name)


def _checked(uid: str) -> str:
    if not is_uid(uid):
        raise UsageError("A UID has up to 64 digits and dots; check what was entered.")
    return uid


def _key(item: Item) -> str:
    """UID of what an item stands for: an instance, else a study."""
    return text_of(item, "00080018") or text_of(item, "0020000D")


def _sequence(item: Item, tag: str) -> list[dict[str, Any]]:
    return [one for one in values_of(item, tag) if isinstance(one, dict)]
