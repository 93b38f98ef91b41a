"""The web pages of open tasks, as HTML without scripts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from drivers.human.folder import Task
from drivers.human.form import FieldEntry
from drivers.protocol import Attribution

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--accent:#2563eb;--bad:#c2410c}
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem;margin:0 0 1rem}h2{font-size:1.1rem;margin:0}
article{border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.2rem;margin:0 0 1.2rem}
.about{color:color-mix(in srgb,currentColor 65%,transparent);font-size:.85rem;margin:.1rem 0 .8rem}
.what{font-size:1.05rem;white-space:pre-wrap;margin:0 0 1rem}
label{display:block;margin:.7rem 0 .2rem;font-weight:600}label small{font-weight:400}
.row{display:flex;gap:.5rem;align-items:center}.row input{flex:1}
input,select,textarea{font:inherit;width:100%;padding:.45rem .6rem;border:1px solid var(--line);border-radius:.4rem;
background:transparent;color:inherit}select option{color:initial}
button{font:inherit;font-weight:600;margin-top:1rem;padding:.5rem 1.2rem;border:0;border-radius:.4rem;
background:var(--accent);color:#fff;cursor:pointer}
details{margin-top:1rem;border-top:1px solid var(--line);padding-top:.6rem}details button{background:var(--bad)}
.note{border-left:.3rem solid var(--accent);background:var(--soft);padding:.5rem .8rem;margin:0 0 1rem}
.note.bad{border-color:var(--bad)}.note ul{margin:0;padding-left:1.2rem}
"""


def page(
    tasks: Sequence[Task],
    *,
    secret: str,
    note: str = "",
    faults: Sequence[str] = (),
    action: str | None = None,
    given: Mapping[str, str] | None = None,
) -> str:
    """All open tasks, each with its form. `faults` and what was `given` belong to the task of `action`."""
    told = f'<p class="note">{escape(note)}</p>' if note else ""
    if faults and action not in {task.action for task in tasks}:
        told += _faults(faults)
    forms = [
        _task(
            task,
            secret,
            faults if task.action == action else (),
            (given or {}) if task.action == action else {},
        )
        for task in tasks
    ]
    n = len(tasks)
    title = "No open tasks" if not n else "1 open task" if n == 1 else f"{n} open tasks"
    empty = "" if n else '<p>Nothing is waited for. <a href="./">Look again</a></p>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{told}{empty}{''.join(forms)}"
        "</body></html>"
    )


def _task(task: Task, secret: str, faults: Sequence[str], given: Mapping[str, str]) -> str:
    hidden = (
        f'<input type="hidden" name="secret" value="{escape(secret)}">'
        f'<input type="hidden" name="action" value="{escape(task.action)}">'
    )
    sample = f" · sample {escape(task.sample)}" if task.sample else ""
    about = f"{escape(task.device)}.{escape(task.verb)}{sample} · {escape(task.action)}"
    until = time.strftime("%d %b %H:%M", time.localtime(task.deadline_at))
    late = ""
    if task.escalation is not None and task.escalation.at is not None:
        since = time.strftime("%H:%M", time.localtime(task.escalation.at))
        late = f'<p class="note bad">Escalated to {escape(task.escalation.to)} at {since}</p>'
    fields = "".join(
        _field(task.action, name, field, given.get(name, "")) for name, field in task.form.items()
    )
    whose = "".join(f"<option>{one.value}</option>" for one in (Attribution.LOGISTICS, *_OTHERS))
    why = _labelled(task.action, "reason", "Why", 'required maxlength="2000"', "fail-")
    sayer = _labelled(task.action, "by", "Your name", 'required maxlength="100"', "fail-")
    who = _labelled(
        task.action, "by", "Your name", f'value="{escape(given.get("by", ""))}" required maxlength="100"'
    )
    return (
        f"<article><h2>{escape(task.verb.replace('_', ' ').capitalize())}</h2>"
        f'<p class="about">{about} · until {until}</p>{late}{_faults(faults)}'
        f'<p class="what">{escape(task.instruction)}</p>'
        f'<form method="post" enctype="multipart/form-data" action="answer">{hidden}{fields}{who}'
        "<button>Done</button></form>"
        "<details><summary>It cannot be done</summary>"
        f'<form method="post" enctype="multipart/form-data" action="fail">{hidden}'
        f"{why}"
        f'<label for="fail-{escape(task.action)}-attribution">What it is</label>'
        f'<select id="fail-{escape(task.action)}-attribution" name="attribution">{whose}</select>'
        f"{sayer}"
        "<button>Say so</button></form></details></article>"
    )


_OTHERS = (Attribution.INSTRUMENT, Attribution.INFEASIBLE, Attribution.BAD_READING)


def _field(action: str, name: str, field: FieldEntry, given: str) -> str:
    bounds = " to ".join(
        f"{bound:g}" if bound is not None else "…" for bound in (field.at_least, field.at_most)
    )
    hints = [field.doc] if field.doc else []
    if field.at_least is not None or field.at_most is not None:
        hints.append(f"{bounds} {field.unit}".strip())
    if field.optional:
        hints.append("optional")
    id = f"{escape(action)}-{name}"
    label = f'<label for="{id}">{_words(name)} <small>{escape(" · ".join(hints))}</small></label>'
    needed = "" if field.optional else " required"
    if field.kind == "choice":
        options = "".join(
            f"<option{' selected' if one == given else ''}>{escape(one)}</option>" for one in field.choices
        )
        return f'{label}<select id="{id}" name="{name}"{needed}><option value=""></option>{options}</select>'
    if field.kind == "text":
        return f'{label}<textarea id="{id}" name="{name}" rows="2"{needed}>{escape(given)}</textarea>'
    if field.kind == "file":
        return f'{label}<input id="{id}" name="{name}" type="file"{needed}>'
    box = (
        f'<input id="{id}" name="{name}" inputmode="decimal" autocomplete="off" '
        f'value="{escape(given)}"{needed}>'
    )
    return f'{label}<div class="row">{box}<span>{escape(field.unit)}</span></div>'


def _labelled(action: str, name: str, label: str, more: str, prefix: str = "") -> str:
    id = f"{prefix}{escape(action)}-{name}"
    return f'<label for="{id}">{label}</label><input id="{id}" name="{name}" {more}>'


def _words(name: str) -> str:
    return escape(name.replace("_", " ").capitalize())


def _faults(faults: Sequence[Any]) -> str:
    if not faults:
        return ""
    return f'<div class="note bad"><ul>{"".join(f"<li>{escape(str(one))}</li>" for one in faults)}</ul></div>'
