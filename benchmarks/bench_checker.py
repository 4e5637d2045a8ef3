"""The checker of grounded answers: ``python -m benchmarks.bench_checker [SET...]``.

Three hundred answers with one planted error each and three hundred sound
ones, half of them rewritten, over four data sets (see ``planting.py``). Of
squad_xquad and TAT-QA only the halves that nothing was fitted on count; the
others were first run when the checker was finished. ``--fitted`` shows the
halves it was fitted on instead, ``--wrong`` what went wrong.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter, defaultdict

from benchmarks.common import mean, percentile, report
from benchmarks.planting import ERRORS, REWRITES, WORLDS, Item, items
from cogagent.checking.checker import Checked, Checker
from cogagent.config import load_settings
from cogagent.models.factory import minilm

SETS = ("squad", "tatqa", "hotpot", "financebench")
PLANTED = 75
"""Answers with an error, and as many sound ones, a data set."""


def found(item: Item, checked: Checked) -> bool:
    """Whether an error was found in the sentence concerned, or any in a sound answer."""
    return any(
        claim.verdict == "unsupported" and (item.sound or claim.end > item.place)
        for claim in checked.claims
    )


def wanted(count: int) -> dict[str, int]:
    """``count`` answers with errors, as many sound ones, half of them rewritten."""
    sound, each = count // 2, count // len(ERRORS)
    rewritten = dict.fromkeys(REWRITES, (count - sound) // 4)
    rewritten["paraphrase"] += count - sound - sum(rewritten.values())
    return {**dict.fromkeys(ERRORS, each), **rewritten, "as written": sound}


def main() -> None:
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    sets = [word for word in sys.argv[1:] if not word.startswith("--")] or list(SETS)
    half = "--fitted" not in options
    count = next((int(o[8:]) for o in options if o.startswith("--count=")), PLANTED)
    seed = next((int(o[7:]) for o in options if o.startswith("--seed=")), 7)
    checker = Checker(minilm(load_settings()))
    hits: dict[str, list[bool]] = defaultdict(list)
    spent: list[float] = []
    for name in sets:
        flags: dict[bool, list[bool]] = {True: [], False: []}
        missed = []
        chosen = half if name in ("squad", "tatqa") else None
        made = list(items(WORLDS[name](), random.Random(seed), wanted(count), half=chosen))
        for item in made:
            start = time.perf_counter()
            checked = checker.check(item.text, item.evidence, item.drafts)
            spent.append(1000 * (time.perf_counter() - start))
            flag = found(item, checked)
            hits[item.kind].append(flag)
            flags[item.sound].append(flag)
            if flag == item.sound:
                missed.append((item, checked))
        report(
            name,
            {
                "planted": len(flags[False]), "found": mean(flags[False]),
                "sound": len(flags[True]), "wrongly flagged": mean(flags[True]),
            },
        )  # fmt: skip
        if "--wrong" in options:
            for item, checked in missed:
                _show(item, checked)
    for kind, values in hits.items():
        report(f"  {kind}", {"answers": len(values), "flagged": mean(values)})
    every = {sound: [f for k, v in hits.items() for f in v if (k not in ERRORS) == sound]
             for sound in (True, False)}  # fmt: skip
    report(
        "all",
        {
            "planted": len(every[False]), "found": mean(every[False]),
            "sound": len(every[True]), "wrongly flagged": mean(every[True]),
            "check p50 ms": percentile(spent, 0.5),
        },
    )  # fmt: skip


def _show(item: Item, checked: Checked) -> None:
    print(f"--- {item.kind} ({'sound' if item.sound else item.bad}): {item.text}")
    for draft in item.drafts:
        if draft.quote and f"[{draft.marker}]" in item.text[item.place :]:
            print(f"    quote: {draft.quote}")
    against = Counter((o.reason, o.detail) for c in checked.claims for o in c.objections)
    print(f"    {dict(against)}")
    marker = next((c.markers[-1] for c in checked.claims if c.end > item.place and c.markers), 1)
    draft = next((d for d in item.drafts if d.marker == marker), None)
    cited = next((p for p in item.evidence if draft and p.id == draft.evidence_id), None)
    if cited is not None:
        print(f"    cited: {cited.title} / {cited.context[:100]!r} / {cited.text[:600]!r}")


if __name__ == "__main__":
    main()
