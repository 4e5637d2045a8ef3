"""Pictures on their way to a model: cut, made smaller, and kept for the next question."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from cogagent.geometry import Size
from cogagent.models.kept import Kept, content_key
from cogagent.models.mllm import MLLM, Capabilities
from cogagent.models.sight import fitted, picture_tokens, shrunk, useful_size
from cogagent.types import Raster


class PictureCache:
    """Cuts pictures and makes them smaller; equal ones once, as long as they are kept.

    Args:
        megabytes: Most that is kept.
        seconds: How long it is kept.
    """

    def __init__(self, megabytes: float, seconds: float) -> None:
        self._kept: Kept[Raster] = Kept(megabytes, seconds, lambda raster: raster.pixels.nbytes)

    def cut(self, place: Hashable, make: Callable[[], Raster], can: Capabilities) -> Raster:
        """A picture no larger than a model makes use of.

        Args:
            place: What it is cut from, by its content, and where.
            make: Cuts it at its full size.
            can: What the model can do.
        """
        return self._kept.get(
            ("cut", place, can.picture_side, can.picture_pixels), lambda: _cut(make(), can)
        )

    def sized(self, raster: Raster, size: Size) -> Raster:
        """A picture at a smaller size."""
        if size == raster.size:
            return raster
        return self._kept.get(("sized", content_key(raster), size), lambda: shrunk(raster, size))

    def shown(self, rasters: Sequence[Raster], model: MLLM, tokens: int) -> list[Raster]:
        """Pictures as a model may be shown them with one question.

        Args:
            rasters: The most important one first.
            model: Sees them.
            tokens: That they may take together.

        Returns:
            The first of them, none larger than before, all of them where that suffices.
        """
        wanted = [useful_size(raster.size, model.capabilities) for raster in rasters]
        sizes = fitted(wanted, tokens, lambda each: picture_tokens(model, each))
        return [self.sized(raster, size) for raster, size in zip(rasters, sizes, strict=False)]


def _cut(raster: Raster, can: Capabilities) -> Raster:
    made = shrunk(raster, useful_size(raster.size, can))
    # A region of a page would keep the whole page in memory.
    return Raster(made.pixels.copy()) if made.pixels.base is not None else made
