"""A loader that does what its source tells it to; installed as a plug-in by the tests."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from cogagent.errors import CorruptDocumentError
from cogagent.types import Element, Raster


class HostileLoader:
    media_types = ("application/x-hostile",)

    def __init__(self, limits, parse):
        self.limits, self.parse = limits, parse

    def load(self, source):
        command, _, argument = source.data.decode().partition(" ")
        yield Element(kind="page", caption=command)
        yield from getattr(self, command)(argument)

    def render(self, source, page, dpi, box):
        if page > 3:
            raise CorruptDocumentError("there is no such page.")
        return Raster(np.full((dpi, page, 3), 7, np.uint8))

    def echo(self, argument):
        yield Element(kind="text", text=argument, order=1)

    def pid(self, argument):
        yield Element(kind="text", text=str(os.getpid()), order=1)

    def environment(self, argument):
        facts = {
            "nice": os.nice(0),
            "session": os.getsid(0),
            "omp": os.environ["OMP_NUM_THREADS"],
            "heavy": sorted(
                {"torch", "cv2", "faiss", "openvino", "PIL", "lxml"} & set(sys.modules)
            ),
            "passwords": [secret.get_secret_value() for secret in self.parse.passwords],
            "stdin": sys.stdin.read() if sys.stdin else "",
        }
        yield Element(kind="text", text=repr(facts), order=1)

    def noise(self, argument):
        print("x" * 100_000, flush=True)
        os.write(1, b"\0\0\0\5hello" * 1000)
        sys.stderr.write("y" * 1_000_000)
        yield Element(kind="text", text="quiet", order=1)

    def segfault(self, argument):
        ctypes.string_at(0)
        yield

    def leave(self, argument):
        print("some last words", file=sys.stderr, flush=True)
        os._exit(int(argument))
        yield

    def hang(self, argument):
        ctypes.PyDLL(None).sleep(1000)  # keeps the interpreter lock
        yield

    def doze(self, argument):
        time.sleep(float(argument))
        yield Element(kind="text", text="awake", order=1)

    def hog(self, argument):
        held = []
        while True:
            held.append(np.ones(2_000_000))
            time.sleep(0.005)
        yield

    def hog_elsewhere(self, argument):
        """In a program that it starts."""
        hog = "import time; held = b'x' * int(5e8); time.sleep(60)"
        subprocess.run([sys.executable, "-c", hog], check=False)
        yield

    def gulp(self, argument):
        yield Element(kind="text", text=str(np.ones(1 << 40).sum()), order=1)

    def many(self, argument):
        for number in range(int(argument)):
            yield Element(kind="text", text="z" * 1000, order=number + 1)

    def count(self, argument):
        """Tells through a file how far it got."""
        for number in range(100_000):
            with Path(argument).open("w") as file:
                file.write(str(number))
            yield Element(kind="text", text="z" * 1000, order=number + 1)

    def pages(self, argument):
        for number in range(int(argument)):
            yield Element(kind="page", page=number + 1, order=number)

    def picture(self, argument):
        for number in range(3):
            yield Element(kind="image", order=number + 1, unseen=True, picture=f"{number}")

    def pixels(self, source, elements):
        pixels = np.arange(480 * 640 * 3, dtype=np.uint64).reshape(480, 640, 3)
        for element in elements:
            if element.picture == "1":
                yield None
            elif element.picture == "short":
                return
            else:
                yield Raster(((pixels + int(element.picture)) % 251).astype(np.uint8))

    def fail(self, argument):
        raise CorruptDocumentError("it is torn.", remedy="Glue it.", uri="another")
        yield

    def surprise(self, argument):
        raise KeyError("no such thing")
        yield

    def recurse(self, argument):
        yield from self.recurse(argument)

    def forge(self, argument):
        """Writes to every descriptor, one of which is the channel."""
        for descriptor in range(3, 10):
            try:
                os.write(descriptor, bytes.fromhex(argument))
            except OSError:
                continue
        time.sleep(100)
        yield

    def spawn(self, argument):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        yield Element(kind="text", text=str(child.pid), order=1)
        time.sleep(1000)
