"""Questions that need no search: small talk and arithmetic, made by rule.

Each has a core (what is said, or the shape of the sum); halves are split by it, so
that no phrase of one half stands in the other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

GREETINGS = """hello|hi|hey|good morning|good afternoon|good evening|greetings|howdy|hi there|
hello there|hey there|yo|hiya|hello again|good day|morning|welcome back|hello everyone|
hi assistant|salutations"""
WELLBEING = """how are you|how are you doing|how are you today|how is it going|how's it going|
what's up|how have you been|how was your day|how do you do|are you well|how do you feel|
are you ok|how are things|you doing alright|having a good day|how's life|what's new|
are you happy|are you tired|how goes it"""
THANKS = """thanks|thank you|thanks a lot|thank you very much|many thanks|thanks so much|
much appreciated|cheers|thank you for your help|thanks for the help|i appreciate it|
thanks, that was helpful|thx|ty|that helps, thank you|perfect, thanks|great, thank you|
that's all, thanks|i am grateful|thanks a million"""
FAREWELLS = """bye|goodbye|see you|see you later|good night|have a nice day|talk to you later|
until next time|take care|so long|have a good weekend|catch you later|farewell|bye for now|
see you tomorrow|i have to go now|that's it for today|have a great evening|ciao|later"""
ASSISTANT = """who are you|what are you|what is your name|what can you do|are you a robot|
are you human|who made you|how old are you|where do you live|do you have feelings|
can you help me|are you there|tell me about yourself|what do you like|are you an ai|
do you sleep|can you hear me|do you speak english|what should i call you|are you smart"""
MOODS = """i'm bored|i am happy today|i feel sad|i love you|you are great|you're funny|well done|
good job|nice work|that's cool|awesome|ok|okay, got it|sounds good|never mind|no problem|
you are welcome|i'm sorry|sorry about that|lol|haha|wow|congratulations|happy birthday|
nice to meet you|pleased to meet you|i like talking to you|that's funny|i'm tired|good luck"""
REQUESTS = """tell me a joke|say something funny|sing me a song|make me laugh|let's chat|
can we talk|tell me something nice|cheer me up|wish me luck|say hello|do you want to chat|
surprise me|talk to me|keep me company|give me a compliment"""

_CASES = 20
"""Ways in which each phrase is written."""


class Needless(NamedTuple):
    """A question that needs no search.

    Attributes:
        core: What the halves are split by.
        question: As it is written.
        answer: What a sum comes to; empty for small talk.
    """

    core: str
    question: str
    answer: str = ""


def small_talk(count: int, seed: int = 5) -> list[Needless]:
    """Small talk, each phrase in several ways of writing it."""
    draw = random.Random(seed)
    cores = [
        " ".join(core.split())
        for group in (GREETINGS, WELLBEING, THANKS, FAREWELLS, ASSISTANT, MOODS, REQUESTS)
        for core in group.split("|")
    ]
    made: dict[str, Needless] = {}
    for _ in range(_CASES):
        for core in cores:
            written = _written(core, draw)
            made.setdefault(written, Needless(core, written))
    chosen = list(made.values())
    draw.shuffle(chosen)
    return chosen[:count]


def arithmetic(count: int, seed: int = 6) -> list[Needless]:
    """Sums in figures and in words, with what they come to."""
    draw = random.Random(seed)
    shapes = list(_sums(draw))
    made: dict[str, Needless] = {}
    while len(made) < count:
        shape, question, answer = draw.choice(shapes)(draw)
        made.setdefault(question, Needless(shape, question, answer))
    return list(made.values())


def _written(core: str, draw: random.Random) -> str:
    asks = core.split()[0] in {
        "how",
        "who",
        "what",
        "are",
        "do",
        "can",
        "where",
        "how's",
        "what's",
    }
    ends = ["?", "?", "", "??"] if asks else ["", ".", "!", "!!"]
    lead = draw.choice(["", "", "", "", "hi, ", "hey, ", "ok, ", "so, ", "well, "])
    tail = draw.choice(["", "", "", "", " please", " my friend", " :)"])
    text = f"{lead}{core}{tail}{draw.choice(ends)}"
    return draw.choice([text, text, text[:1].upper() + text[1:], text[:1].upper() + text[1:]])


def _sums(draw: random.Random) -> Iterator:  # noqa: ARG001
    """Makers of sums, one a shape."""
    for verb in ("What is", "Calculate", "Compute", "How much is", "What's", "Work out", "Solve"):
        for symbol, apply in (
            ("+", lambda a, b: a + b), ("-", lambda a, b: a - b), ("*", lambda a, b: a * b),
            ("plus", lambda a, b: a + b), ("minus", lambda a, b: a - b),
            ("times", lambda a, b: a * b), ("x", lambda a, b: a * b),
            ("multiplied by", lambda a, b: a * b),
        ):  # fmt: skip
            yield _binary(verb, symbol, apply)
        for symbol in ("/", "divided by"):
            yield _division(verb, symbol)
    yield _bare
    yield _nested
    yield _percent
    yield _power
    yield _root
    yield _sum_of
    yield _product_of
    yield _half
    yield _worded


def _binary(verb, symbol, apply):
    def make(draw: random.Random):
        a, b = draw.randint(2, 999), draw.randint(2, 99)
        mark = "?" if verb.startswith(("What", "How")) else draw.choice(["", "."])
        return f"{verb} {symbol}", f"{verb} {a} {symbol} {b}{mark}", str(apply(a, b))

    return make


def _division(verb, symbol):
    def make(draw: random.Random):
        b, whole = draw.randint(2, 40), draw.randint(2, 60)
        mark = "?" if verb.startswith(("What", "How")) else ""
        return f"{verb} {symbol}", f"{verb} {b * whole} {symbol} {b}{mark}", str(whole)

    return make


def _bare(draw: random.Random):
    a, b = draw.randint(2, 500), draw.randint(2, 500)
    space = draw.choice(["", " "])
    return "bare", f"{a}{space}+{space}{b}{draw.choice(['', '=', ' = ?', '?'])}", str(a + b)


def _nested(draw: random.Random):
    a, b, c = (draw.randint(2, 30) for _ in range(3))
    return "nested", f"({a} + {b}) * {c}", str((a + b) * c)


def _percent(draw: random.Random):
    share, of = draw.choice([5, 10, 20, 25, 50, 75]), 20 * draw.randint(2, 90)
    written = draw.choice([f"{share}%", f"{share} percent", f"{share} per cent"])
    total = share * of / 100
    return "percent", f"What is {written} of {of}?", f"{total:g}"


def _power(draw: random.Random):
    a = draw.randint(2, 12)
    how, exponent = draw.choice([("squared", 2), ("cubed", 3), ("to the power of 4", 4)])
    return "power", f"What is {a} {how}?", str(a**exponent)


def _root(draw: random.Random):
    a = draw.randint(2, 40)
    return "root", f"What is the square root of {a * a}?", str(a)


def _sum_of(draw: random.Random):
    a, b, c = (draw.randint(2, 90) for _ in range(3))
    return "sum of", f"What is the sum of {a}, {b} and {c}?", str(a + b + c)


def _product_of(draw: random.Random):
    a, b = draw.randint(2, 90), draw.randint(2, 20)
    return "product of", f"Find the product of {a} and {b}.", str(a * b)


def _half(draw: random.Random):
    a = 2 * draw.randint(2, 400)
    how, answer = draw.choice([("half of", a // 2), ("twice", 2 * a), ("double", 2 * a)])
    return "half", f"what's {how} {a}", str(answer)


_NUMBERS = "two three four five six seven eight nine ten eleven twelve twenty thirty".split()
_VALUES = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 30)


def _worded(draw: random.Random):
    a, b = draw.randrange(len(_NUMBERS)), draw.randrange(len(_NUMBERS))
    question = f"What is {_NUMBERS[a]} times {_NUMBERS[b]}?"
    return "worded", question, str(_VALUES[a] * _VALUES[b])
