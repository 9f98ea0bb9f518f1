"""Lesion area by frame, as one small inline drawing (SVG without script)."""

from ..birads.analysis import Analysis
from ..birads.lesion import Lesion
from .report_pictures import line_style
from .report_text import frame_ranges, plural

_WIDTH, _HEIGHT = 1000, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 18, 26, 34


def timeline(analysis: Analysis) -> str:
    """Figure with one line a lesion and its key frame marked; nothing for a single frame or without a lesion."""
    if len(analysis.frames) < 2 or not analysis.lesions:
        return ""
    areas = _areas(analysis)
    largest = max((area for by_frame in areas.values() for area in by_frame.values()), default=0.0)
    words = [_in_words(lesion, areas[lesion.number], analysis) for lesion in analysis.lesions]
    if stopped := _stopped_frames(analysis):
        words.append(f"Grey: not fit for reading ({frame_ranges(stopped)}), see the checks of the input.")
    axis = _Axis([frame.frame_number for frame in analysis.frames], largest)
    parts = [_grid(axis, largest), _stopped(axis, analysis)]
    parts += [_line(axis, lesion, areas[lesion.number]) for lesion in analysis.lesions]
    return (
        '<section aria-labelledby="film-heading"><h2 id="film-heading">Lesion area by frame</h2>'
        '<figure class="film">'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Line drawing of lesion area by frame; '
        f'the text below says the same in words.">{"".join(parts)}</svg>'
        f"<figcaption><ul>{''.join(f'<li>{line}</li>' for line in words)}</ul></figcaption></figure></section>"
    )


class _Axis:
    def __init__(self, frames: list[int], largest: float):
        self.first, self.last = min(frames), max(frames)
        self._largest = largest or 1.0

    def x(self, frame: float) -> float:
        share = (frame - self.first) / max(self.last - self.first, 1)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, area: float) -> float:
        return _HEIGHT - _BOTTOM - area / self._largest * (_HEIGHT - _TOP - _BOTTOM)


def _areas(analysis: Analysis) -> dict[int, dict[int, float]]:
    """Area in px of each lesion by frame number; 1 for every frame where areas were not stored."""
    found: dict[int, dict[int, float]] = {lesion.number: {} for lesion in analysis.lesions}
    known = _has_areas(analysis)
    for frame in analysis.frames:
        stored = frame.areas_px if known else (1.0,) * len(frame.lesions)
        for number, area in zip(frame.lesions, stored, strict=True):
            if number in found:
                found[number][frame.frame_number] = area
    return found


def _has_areas(analysis: Analysis) -> bool:
    return all(len(frame.areas_px) == len(frame.lesions) for frame in analysis.frames)


def _in_words(lesion: Lesion, areas: dict[int, float], analysis: Analysis) -> str:
    where = frame_ranges(areas) or "none"
    text = f"Lesion {lesion.number}: outlined in {len(areas)} of {plural(len(analysis.frames), 'frame')} ({where})"
    if areas and _has_areas(analysis):
        at = max(areas, key=lambda frame: areas[frame])
        text += f", largest {_size(areas[at], lesion)} in frame {at}"
    return f"{text}; measured in key frame {lesion.key_frame}."


def _size(area_px: float, lesion: Lesion) -> str:
    area = lesion.measurements.area
    if area.mm2 is None or not area.px:
        return f"{area_px:.0f} px"
    return f"{area_px * area.mm2 / area.px:.1f} mm²"


def _grid(axis: _Axis, largest: float) -> str:
    step = next((s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500) if (axis.last - axis.first) / s <= 12), 1000)
    ticks = sorted({axis.first, *(f for f in range(axis.first, axis.last + 1) if f % step == 0)})
    base = axis.y(0)
    marks = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        for y in (base, axis.y(largest))
    ]
    marks.append(f'<text x="{_LEFT - 8}" y="{base + 4:.1f}" text-anchor="end">0 px</text>')
    if largest > 1:
        marks.append(f'<text x="{_LEFT - 8}" y="{axis.y(largest) + 4:.1f}" text-anchor="end">{largest:.0f} px</text>')
    marks += [
        f'<line class="grid" x1="{axis.x(f):.1f}" x2="{axis.x(f):.1f}" y1="{base:.1f}" y2="{base + 5:.1f}"/>'
        f'<text x="{axis.x(f):.1f}" y="{base + 20:.1f}" text-anchor="middle">{f}</text>'
        for f in ticks
    ]
    return "".join(marks)


def _stopped_frames(analysis: Analysis) -> set[int]:
    return {frame for gate in analysis.gates if gate.severity == "stop" for frame in gate.frames}


def _stopped(axis: _Axis, analysis: Analysis) -> str:
    """Bars under frames that a gate stopped."""
    stopped = _stopped_frames(analysis)
    width = max(axis.x(axis.first + 1) - axis.x(axis.first), 2.0)
    return "".join(
        f'<rect class="stopped" x="{min(axis.x(f) - width / 2, _WIDTH - width):.1f}" y="{_TOP}" width="{width:.1f}" '
        f'height="{_HEIGHT - _TOP - _BOTTOM}"><title>Frame {f}: not fit for reading</title></rect>'
        for f in sorted(stopped)
        if axis.first <= f <= axis.last
    )


def _line(axis: _Axis, lesion: Lesion, areas: dict[int, float]) -> str:
    style = line_style(lesion.number)
    dashes = f' stroke-dasharray="{" ".join(f"{d:g}" for d in style.dashes)}"' if style.dashes else ""
    drawn = []
    for run in _runs(sorted(areas)):
        points = " ".join(f"{axis.x(frame):.1f},{axis.y(areas[frame]):.1f}" for frame in run)
        if len(run) == 1:
            x, y = axis.x(run[0]), axis.y(areas[run[0]])
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{style.colour}"/>')
        else:
            drawn.append(f'<polyline points="{points}" fill="none" stroke="{style.colour}" stroke-width="2"{dashes}/>')
    if lesion.key_frame in areas:
        x, y = axis.x(lesion.key_frame), axis.y(areas[lesion.key_frame])
        anchor = "end" if x > _WIDTH * 0.85 else "start" if x < _WIDTH * 0.15 else "middle"
        drawn.append(
            f'<path d="M{x:.1f} {y - 7:.1f}l7 7-7 7-7-7z" fill="#0b0f14" stroke="{style.colour}" stroke-width="2"/>'
            f'<text x="{x:.1f}" y="{max(y - 12, 12):.1f}" text-anchor="{anchor}" class="key">'
            f"{lesion.number}: key frame {lesion.key_frame}</text>"
        )
    return "".join(drawn)


def _runs(frames: list[int]) -> list[list[int]]:
    """Frames without a gap between them: a line is never drawn over frames in which nothing was outlined."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][-1] + 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs
