"""Fits the checker's weights: ``python -m benchmarks.train_checker``.

On the halves of squad_xquad and TAT-QA that ``planting.held`` leaves for
fitting. Writes ``cogagent/checking/weights.json``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.fitting import fit_decision
from benchmarks.planting import ERRORS, REWRITES, WORLDS, Item, items
from cogagent.checking import judging, weights
from cogagent.checking.checker import _Run
from cogagent.checking.claims import claims
from cogagent.config import load_settings
from cogagent.models.base import Vectors
from cogagent.models.factory import minilm

OUTPUT = Path("cogagent/checking/weights.json")
FITTED = ("squad", "tatqa")
EACH = 200
"""Answers of each kind from each data set."""
FALSE = 0.008
"""Share of sound claims that each of the two models may object to."""
MISSED = 0.01
"""Share of wrong ones that a model may let pass so as to object to fewer sound ones still."""


Found = tuple[Item, judging.Judged]
Row = tuple[weights.Floats, float]
Look = Callable[[str], Vectors]


def gathered() -> tuple[list[Found], dict[str, Vectors]]:
    """Every item with its judged part, and the vectors of all texts."""
    found: list[Found] = []
    for number, name in enumerate(FITTED):
        wanted = dict.fromkeys((*REWRITES, "wrong number", "swapped name", "wrong marker"), EACH)
        wanted |= {"as written": 3 * EACH}
        for item in items(WORLDS[name](), random.Random(100 + number), wanted, half=False):
            run = _Run(item.evidence, {draft.marker: draft for draft in item.drafts})
            sentence = next((s for s in claims(item.text) if s.end > item.place), None)
            if sentence is not None:
                found.append((item, run.judge(sentence.parts[0])))
    texts = list(dict.fromkeys(text for _, judged in found for text in judged.texts()))
    print(f"{len(found)} answers, {len(texts)} texts to embed", flush=True)
    vectors = minilm(load_settings()).embed(texts)
    return found, dict(zip(texts, vectors, strict=True))


def threshold(sound: list[float], wrong: list[float]) -> float:
    """The least above which no more than :data:`FALSE` of the sound ones lie; or halfway to
    the one that no more than :data:`MISSED` of the wrong ones lie below, if that is higher."""
    ordered, caught = sorted(sound), sorted(wrong)
    least = ordered[min(int((1 - FALSE) * len(ordered)), len(ordered) - 1)] + 1e-4
    kept = caught[int(MISSED * len(caught))] - 1e-4
    print(f"sound ones below {least:.4f}, wrong ones above {kept:.4f}")
    return float(max(least, (least + kept) / 2))


def about_rows(found: Sequence[Found], look: Look) -> list[Row]:
    """Claims that are about what they cite, and those whose marker is wrong."""
    return [
        (judging.about_features(judged, look), float(not item.sound))
        for item, judged in found
        if item.sound or item.kind == "wrong marker"
    ]


def anchor_rows(found: Sequence[Found], look: Look) -> list[Row]:
    """The numbers and names of sound claims, and those that were planted."""
    aligned = weights.ANCHOR.index("aligned")
    rows: list[Row] = []
    for item, judged in found:
        for standing in judged.standings if item.kind != "wrong marker" else ():
            text = standing.anchor.what.text.strip()
            labelled = item.kind == "swapped name" and not item.bad  # a row's label
            planted = labelled or (bool(item.bad) and (text in item.bad or item.bad in text))
            if item.sound or planted:
                row = judging.anchor_features(judged, standing, look)
                # Of two that changed places, the one that the words align with stayed.
                if item.sound or not row[aligned]:
                    rows.append((row, float(planted)))
    return rows


def main() -> None:
    found, vectors = gathered()
    look = vectors.__getitem__
    about, anchor = about_rows(found, look), anchor_rows(found, look)
    models = {}
    for name, rows in (("about", about), ("anchor", anchor)):
        features = np.array([row for row, _ in rows])
        labels = np.array([label for _, label in rows])
        w, bias = fit_decision(features, labels)
        models[name] = weights.Model(np.asarray(w, float), float(bias), 0.5)
        print(name, len(labels), int(labels.sum()), flush=True)
    kinds = {"about": ("wrong marker",), "anchor": ("wrong number", "swapped name")}
    scored: dict[str, tuple[list[float], list[float]]] = {"about": ([], []), "anchor": ([], [])}
    for item, judged in found:
        rows = {
            "about": [judging.about_features(judged, look)],
            "anchor": [judging.anchor_features(judged, s, look) for s in judged.standings],
        }
        for name, given in rows.items():
            # What lacks a number or name is found anyhow.
            if item.sound or (item.kind in kinds[name] and not judged.missing):
                chance = max((float(models[name].chance(r[None])[0]) for r in given), default=0.0)
                scored[name][0 if item.sound else 1].append(chance)
    out = {}
    for name, model in models.items():
        names = weights.ABOUT if name == "about" else weights.ANCHOR
        fitted = weights.Model(model.weights, model.bias, threshold(*scored[name]))
        out[name] = fitted.to_json(names)
    OUTPUT.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(out, indent=1))
    for item_kind in (*ERRORS, *REWRITES, "as written"):
        of_kind = [judged for item, judged in found if item.kind == item_kind]
        missing = sum(bool(judged.missing) for judged in of_kind)
        print(f"{item_kind}: {len(of_kind)}, a number or name not there {missing}")


if __name__ == "__main__":
    main()
