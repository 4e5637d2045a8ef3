"""Pointing by saliency: is the place it points at the picture that was asked for?

``python -m benchmarks.bench_pointing [--composites 100]``

ImageNet's sample pictures have no boxes, so composites are made of them with a fixed
seed: ``mosaic``, nine pictures, three by three, of which each of three is asked for;
``inset``, one picture, a quarter to a half as wide, somewhere on another. "Where is the
<name of the class>?" The pointing game (Zhang et al. 2016): the middle of the first place
has to lie in the right picture. Chance is the share of its area. ``absent`` asks each
composite for a class that is not in it: how often a place is named all the same.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.common import data, lines, mean, report
from cogagent.config import Settings
from cogagent.geometry import Box, from_pixels, make_box
from cogagent.types import Raster
from cogagent.vision.pointing.base import Picture
from cogagent.vision.pointing.saliency import SaliencyPointer

SEED, SIDE, NINTH = 7, 900, 300
Label = dict[str, Any]


class Composite(NamedTuple):
    picture: Picture
    there: list[tuple[str, Box]]
    absent: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--composites", type=int, default=100, help="of each kind")
    count = parser.parse_args().composites
    labels = lines("imagenet_samples", "dev", "labels.jsonl")
    pointer, chance = SaliencyPointer(Settings()), random.Random(SEED)
    makers: dict[str, Callable[[list[Label], random.Random], Composite]]
    makers = {"mosaic": mosaic, "inset": inset}
    for kind, make in makers.items():
        right, areas, seconds, named = [], [], [], []
        for _ in range(count):
            made = make(labels, chance)
            for name, box in made.there:
                began = time.perf_counter()
                places = pointer.places(f"Where is the {name}?", made.picture, 1)
                seconds.append(time.perf_counter() - began)
                right.append(bool(places) and is_inside(places[0].box, box))
                areas.append(box.area)
            named.append(bool(pointer.places(f"Where is the {made.absent}?", made.picture, 1)))
        figures = {
            "questions": len(right),
            "right": mean(right),
            "by chance": mean(areas),
            "absent and named": mean(named),
            "ms": round(1000 * mean(seconds)),
        }
        report(kind, figures)


def mosaic(labels: list[Label], chance: random.Random) -> Composite:
    ten = chance.sample(labels, 10)
    image = Image.new("RGB", (SIDE, SIDE))
    there = []
    for number, label in enumerate(ten[:9]):
        across, down = NINTH * (number % 3), NINTH * (number // 3)
        image.paste(photo(label, NINTH), (across, down))
        there.append((label["label"], placed(across, down, NINTH)))
    return Composite(picture(image), there[:3], ten[9]["label"])


def inset(labels: list[Label], chance: random.Random) -> Composite:
    ground, label, other = chance.sample(labels, 3)
    image, side = photo(ground, SIDE), chance.randint(SIDE // 4, SIDE // 2)
    across, down = (chance.randint(0, SIDE - side) for _ in range(2))
    image.paste(photo(label, side), (across, down))
    return Composite(
        picture(image), [(label["label"], placed(across, down, side))], other["label"]
    )


def photo(label: Label, side: int) -> Image.Image:
    """The middle of a picture, as a square."""
    image = Image.open(data("imagenet_samples", "dev") / label["image"]).convert("RGB")
    least = min(image.size)
    left, top = ((length - least) / 2 for length in image.size)
    return image.resize((side, side), box=(left, top, left + least, top + least))


def picture(image: Image.Image) -> Picture:
    return Picture(Raster(np.asarray(image)))


def placed(across: int, down: int, side: int) -> Box:
    edges = from_pixels(np.array([across, down, across + side, down + side]), (SIDE, SIDE))
    return make_box(*edges[0].tolist())


def is_inside(box: Box, other: Box) -> bool:
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return other.x0 <= x <= other.x1 and other.y0 <= y <= other.y1


if __name__ == "__main__":
    main()
