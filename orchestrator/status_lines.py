"""The summary of a campaign in words: the lines that a terminal shows."""

from __future__ import annotations

from typing import Any

from orchestrator.report.wording import duration, label, number, quantity, uncertain, unit_text, value_text


def lines(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, text) pairs, from the summary alone."""
    seen, reason = summary["experiments"], summary["reason"]
    found = [
        ("state", f"{summary['state']}: {reason}" if reason else summary["state"]),
        ("laboratory", summary["lab"]),
        ("experiments", f"{seen['done']} of {seen['planned']} done: {_counted(seen)}"),
    ]
    if summary["failures"]:
        found.append(("failures", ", ".join(f"{n} {name}" for name, n in summary["failures"].items())))
    if summary["phase"] is not None:
        phase = summary["phase"]
        found.append(
            ("phase", f"{phase['mode']} by {phase['method']}, since experiment {phase['entered_after'] + 1}")
        )
        if phase["rule"]:
            found.append(("why", phase["rule"]))
    found += _leading(summary)
    if (hull := summary["hull"]) is not None and hull["judged"]:
        share = f"{hull['hits']} of {hull['judged']} labelled ({100 * hull['rate']:.0f} %)"
        found.append(("new stable", f"{share}, by the hull known when they were asked for"))
    for loop in summary["loops"]:
        done = f"{loop['measured']} of {loop['planned']} measured, {loop['failed']} failed"
        text = f"{done}, for {', '.join(loop['learns'])}"
        found.append((f"loop {loop['name']}", text + (f"; ended: {loop['ended']}" if loop["ended"] else "")))
    if summary["coverage"]["n"]:
        held = summary["coverage"]
        found.append(
            ("coverage", f"{held['inside']} of {held['n']} measured inside the predicted 90 % interval")
        )
    budget = summary["lab_budget_s"]
    spent = duration(summary["lab_elapsed_s"])
    found.append(("lab time", f"{spent} of {duration(budget)}" if budget is not None else spent))
    found.extend(("WAITS", text) for text in summary["waits"])
    found.extend(("LATE", text) for text in summary["late"])
    found.extend(("LOW", text) for text in summary["low"])
    found.extend(("running", f"{a['device']}.{a['verb']}") for a in summary["running"])
    found.extend(
        ("IN DOUBT", f"{a['device']}.{a['verb']} ({a['action']}) {a['reason']}".rstrip())
        for a in summary["doubts"]
    )
    found.append(("fingerprint", f"{summary['fingerprint'][:16]}, seed {number(summary['seed'])}"))
    return found


def _leading(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What is best, in the words of the goal; then what stands in its way."""
    lines, units = [], {o["name"]: o["unit"] for o in summary["objectives"]}

    def told(each: dict[str, Any]) -> str:
        values = ", ".join(f"{label(n)} {quantity(v, units[n])}" for n, v in each["values"].items())
        return f"{values} (experiment {each['number']})"

    if (front := summary["front"]) is not None:
        size = f"{front['size']} experiments, hypervolume {number(front['hypervolume'])}"
        lines += [("Pareto front", size), *(("", told(each)) for each in front["experiments"])]
    if (score := summary["score"]) is not None:
        lines.append((f"best {summary['goal']}", f"{number(score['score'])}: {told(score)}"))
        lines.append(("at", ", ".join(f"{label(n)} {value_text(v)}" for n, v in score["candidate"].items())))
    for found in summary["best"] if summary["goal"] == "single" else []:
        value = f"{uncertain(found['value'], found['sigma'])} {unit_text(found['unit'])}".rstrip()
        kept = "" if found["kept"] else ", beyond an outcome constraint"
        lines.append((f"best {label(found['objective'])}", f"{value} (experiment {found['number']}{kept})"))
        lines.append(
            (
                "at",
                ", ".join(
                    f"{label(name)} {value_text(value)} {unit_text(found['units'][name])}".rstrip()
                    for name, value in found["candidate"].items()
                ),
            )
        )
    for each in summary["constraints"]:
        sides = (("at least", each["at_least"]), ("at most", each["at_most"]))
        bounds = " and ".join(f"{word} {quantity(at, each['unit'])}" for word, at in sides if at is not None)
        text = f"{bounds}: broken by {each['broken']} of {each['measured']} measured"
        lines.append((label(each["reading"]), text))
    if (gate := summary["gate"]) is not None:
        text = f"open; found shut {gate['times']} times so far"
        if gate["shut"]:
            text = f"shut since experiment {gate['after'] + 1}: {gate['reason']}"
        lines.append(("gate", text))
    for name, last in summary["context"].items():
        text = f"{value_text(last['value'])} (experiment {last['number']})" if last else "not measured yet"
        lines.append((f"{label(name)} last", text))
    if (cost := summary["cost"]) is not None:
        lines.append(("cost", quantity(cost["spent"], cost["unit"])))
    return lines


def _counted(seen: dict[str, Any]) -> str:
    states = ("measured", "failed", "rejected", "cancelled", "open")
    return ", ".join(f"{seen[state]} {state}" for state in states if seen[state]) or "none yet"
