"""Answers that say what their evidence says, and answers with one planted error each.

Made by rules from the sentences and table rows of four data sets, without a
model and without the checker's own parsers, so that the two share no blind
spot. Sound answers are half as written, half rewritten: paraphrased, numbers
rounded or rescaled, abbreviations spelt out or made, sentences merged.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.common import data, lines
from cogagent.checking.checker import Draft
from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.chunking import chunk
from cogagent.documents.reading import read
from cogagent.documents.sentences import sentences
from cogagent.geometry import FULL_PAGE
from cogagent.types import Evidence, Source

ERRORS = ("wrong number", "wrong page", "made-up quote", "swapped name", "wrong marker")
REWRITES = ("paraphrase", "number", "abbreviation", "merged")
PIECES = 8
"""Pieces of evidence an answer may cite."""
REPEATED = 0.1
"""Share of sound answers whose evidence says the same twice, and only one place is cited."""
FILINGS = 6
"""Of FinanceBench, the smallest: reading all takes too long."""

_NUMBER = re.compile(
    r"(?<![\w.,/$\u20ac\u00a3-])(?P<sign>[$\u20ac\u00a3])?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?P<percent>\s?%| percent\b)?(?P<scale> (?:thousand|million|billion)\b)?(?![\w/]|[.,-]\d)"
)
_NAME = re.compile(
    r"(?<![.!?\"\u201c(] )(?<!^)(?<![\w-])[A-Z][a-z]+(?:['\u2019]s)?"
    r"(?: (?:of |de |van |the )?[A-Z][a-z]+)*"
    r"|(?<![\w-])[A-Z]{3,6}(?![\w-])"
)
_NO_NAME = re.compile(
    r"^(?:Before|After|Since|January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|The|In|A|An|It|He|She|They|This|"
    r"These|Those|His|Her|On|At|As|For|After|When|While|However|Although|We|Our|I|Note|Company|"
    r"Total|Net|Item|Table|Figure|Part|Section|Years?|Inc|Corp|If|By|From|To|But|And|Or)\b"
)


@dataclass(frozen=True)
class Item:
    """An answer to check.

    Attributes:
        kind: What was planted, or how the sound one was made.
        sound: Whether nothing is wrong with it.
        text: The answer with its markers.
        place: First character of the sentence concerned.
        drafts: What its markers cite.
        evidence: What it may cite.
        held: Whether its half of the data is not fitted on.
    """

    kind: str
    sound: bool
    text: str
    place: int
    drafts: tuple[Draft, ...]
    evidence: tuple[Evidence, ...]
    held: bool
    bad: str = ""
    """The number or name planted."""


@dataclass
class Fact:
    """Something that a piece of evidence says, to make answers from."""

    piece: Evidence
    said: str
    """A whole sentence about it."""
    quote: str
    """The words of the evidence that say it."""
    following: Fact | None = None
    """What the next sentence says."""
    numbers: list[str] = field(default_factory=list)
    """Other numbers of the piece, as written."""
    names: list[str] = field(default_factory=list)
    """Other names of the piece."""
    cell: str = ""
    """Of a table: the number said."""
    label: str = ""
    labels: list[str] = field(default_factory=list)
    """Of a table: the row's label and those of the others."""
    scale: str = ""
    """Of a table: what it counts in, if it says so."""


@dataclass
class World:
    """A data set as facts, and what else an answer about one could cite."""

    facts: list[Fact]
    around: Callable[[Fact], Sequence[Evidence]]
    """Pieces near the fact's in subject, the nearest first."""


def held(key: str) -> bool:
    """Whether a document belongs to the half that nothing is fitted on."""
    return hashlib.md5(key.encode()).digest()[-1] % 2 == 1


# --- the data sets ----------------------------------------------------------


def squad() -> World:
    rows = lines("squad_xquad_en", "corpus.jsonl")
    return _prose([(r["_id"], r["title"].replace("_", " "), r["text"]) for r in rows])


def twowiki() -> World:
    rows = lines("twowiki_retrieval", "corpus.jsonl")[:1500]
    return _prose([(r["_id"], r["title"], _tidied(r["text"])) for r in rows])


def hotpot() -> World:
    rows = {r["_id"]: r for r in lines("hotpot100", "corpus.jsonl")}
    groups = {key: q["candidates"] for q in lines("hotpot100", "dev", "qa.jsonl")
              for key in q["candidates"]}  # fmt: skip
    pieces = {key: _piece(key, r["title"], r["text"], n % 40 + 1)
              for n, (key, r) in enumerate(rows.items())}  # fmt: skip
    facts = [fact for piece in pieces.values() for fact in _sentences(piece)]

    def around(fact: Fact) -> list[Evidence]:
        own = fact.piece.id
        return [pieces[key] for key in groups.get(own, list(pieces)[:9]) if key != own]

    return World(facts, around)


def tatqa() -> World:
    groups: dict[str, list[Evidence]] = {}
    facts: list[Fact] = []
    for n, row in enumerate(lines("tatqa", "dev", "corpus.jsonl")):
        kind = "table" if row["kind"] == "table" else "text"
        piece = _piece(row["_id"], "Annual report", row["text"], n % 90 + 1, kind, row["context"])
        groups.setdefault(row["context"], []).append(piece)
        facts += _rows(piece) if kind == "table" else _sentences(piece)
    everything = [piece for group in groups.values() for piece in group]

    def around(fact: Fact) -> list[Evidence]:
        own = groups[fact.piece.document_id]
        start = everything.index(fact.piece)
        near = [*own, *everything[max(0, start - 8) : start + 8]]
        return [p for p in {p.id: p for p in near}.values() if p.id != fact.piece.id]

    return World(facts, around)


def financebench() -> World:
    """The smallest filings, read and cut as an ingest would."""
    from cogagent.documents.pdf.loader import PdfLoader

    found = sorted(
        data("financebench", "dev", "pdfs").glob("*.pdf"), key=lambda p: p.stat().st_size
    )
    groups: dict[str, list[Evidence]] = {}
    for path in found[:FILINGS]:
        loader = PdfLoader(LimitSettings(), ParseSettings())
        cut = chunk(
            loader.load(read(Source(uri=str(path)), LimitSettings()).source),
            title=path.stem, max_tokens=200,
            count_tokens=lambda ts: [len(re.findall(r"\w+|[^\w\s]", text)) for text in ts],
        )  # fmt: skip
        groups[path.stem] = [
            Evidence(
                id=f"{path.stem}-{n}", document_id=path.stem, uri=str(path), title=path.stem,
                media_type="application/pdf", page=c.page, box=c.box, modality=c.kind, text=c.text,
                caption=c.caption, context=c.context, score=1.0, words=c.words,
            )
            for n, c in enumerate(cut)
            if c.text.strip()
        ]  # fmt: skip
    facts = [
        fact
        for group in groups.values()
        for piece in group
        for fact in (_rows(piece) if piece.modality == "table" else _sentences(piece))
    ]

    def around(fact: Fact) -> list[Evidence]:
        group = groups[fact.piece.document_id]
        at = next(n for n, p in enumerate(group) if p.id == fact.piece.id)
        return [p for p in group[max(0, at - 6) : at + 7] if p.id != fact.piece.id]

    return World(facts, around)


WORLDS: dict[str, Callable[[], World]] = {
    "squad": squad, "tatqa": tatqa, "hotpot": hotpot, "financebench": financebench,
    "twowiki": twowiki,
}  # fmt: skip


def _tidied(text: str) -> str:
    return re.sub(r"(?<=\w)\( ?", " (", re.sub(r" ([,.;:)\u2019])", r"\1", text))


def _prose(rows: Sequence[tuple[str, str, str]]) -> World:
    pieces = [_piece(key, title, text, n % 40 + 1) for n, (key, title, text) in enumerate(rows)]
    facts = [fact for piece in pieces for fact in _sentences(piece)]
    places = {piece.id: n for n, piece in enumerate(pieces)}

    def around(fact: Fact) -> list[Evidence]:
        at = places[fact.piece.id]
        near = sorted(range(max(0, at - 12), min(len(pieces), at + 13)),
                      key=lambda n: (pieces[n].title != fact.piece.title, abs(n - at)),
                      )  # fmt: skip
        return [pieces[n] for n in near if n != at]

    return World(facts, around)


def _piece(
    key: str, title: str, text: str, page: int, kind: str = "text", document: str = ""
) -> Evidence:
    return Evidence(
        id=key, document_id=document or key, uri=key, title=title, media_type="text/plain",
        page=page, box=FULL_PAGE, modality="table" if kind == "table" else "text", text=text,
        score=1.0,
    )  # fmt: skip


def _sentences(piece: Evidence) -> list[Fact]:
    found: list[Fact] = []
    for start, end in sentences(piece.text):
        said = " ".join(piece.text[start:end].split())
        count = len(said.split())
        good = 6 <= count <= 45 and re.match(r"[A-Z\"]", said) and re.search(r"[a-z.\"]$", said)
        if not good or re.search(r"[\[\]|\ufffd]|\.{4}", said) or _shouts(said):
            continue
        fact = Fact(piece, said, piece.text[start:end])
        fact.numbers = [m[0].strip() for m in _NUMBER.finditer(piece.text)]
        fact.names = _names(piece.text)
        if found:
            found[-1].following = fact
        found.append(fact)
    return found


def _shouts(said: str) -> bool:
    letters = [char for char in said if char.isalpha()]
    return sum(char.isupper() for char in letters) > 0.3 * len(letters)


def _names(text: str) -> list[str]:
    found = [m[0].removesuffix("'s").removesuffix("\u2019s") for m in _NAME.finditer(text)]
    return [name for name in dict.fromkeys(found) if not _NO_NAME.match(name) and len(name) > 2]


def _rows(piece: Evidence) -> list[Fact]:
    """A sentence for each cell under a year."""
    noted = re.compile(r"\s*(?:\(\w\)|:)$")
    grid = [[cell.strip() for cell in line.split("|")] for line in piece.text.split("\n")]
    top = f"{piece.caption} {piece.context} {piece.text[:400]}"
    scale = re.search(r"\bin (thousands|millions|billions)\b", top, re.I)
    years: list[str] = []
    labels = [row[0] for row in grid if _label(row[0]) and any(map(_value, row[1:]))]
    found: list[Fact] = []
    for row, line in zip(grid, piece.text.split("\n"), strict=True):
        heads = [re.fullmatch(r"(?:FY |Fiscal |FY)?((?:19|20)\d\d)", cell) for cell in row[1:]]
        if sum(head is not None for head in heads) >= 2:
            years = ["", *[head[1] if head else "" for head in heads]]
            if len(set(filter(None, years))) < len(list(filter(None, years))):
                years = []
            continue
        if not years or len(row) != len(years) or not _label(row[0]) or labels.count(row[0]) > 1:
            continue
        filled = [(n, c) for n, c in enumerate(row[1:], 1) if years[n] and _value(c)]
        if len({c for _, c in filled}) < 2:
            continue
        for n, cell in filled:
            label = noted.sub("", row[0])
            value = _value(cell)
            if not value:
                continue
            verb = "were" if label.split()[0].endswith("s") else "was"
            said = f"{label} {verb} {value} in {years[n]}."
            found.append(
                Fact(
                    piece, said, line.strip(), cell=value, label=label,
                    scale=scale[1].lower() if scale else "",
                    labels=[noted.sub("", other) for other in labels if other != row[0]],
                    numbers=[v for other in row[1:] if (v := _value(other)) and v != value],
                )
            )  # fmt: skip
    return found


def _label(text: str) -> bool:
    dated = re.search(r"\b(?:ended|ending|as of|years?|months|in (?:thous|mill))\b", text, re.I)
    return bool(re.match(r"[A-Z][a-z]", text)) and not dated and 4 <= len(text) <= 70


def _value(cell: str) -> str:
    """A positive number of a cell as a sentence would give it."""
    match = re.fullmatch(r"([$\u20ac\u00a3]?)\s*(\d[\d,]*(?:\.\d+)?)\s*(%?)", cell)
    if not match or len(re.sub(r"\D", "", cell)) < 2:
        return ""
    return "".join(match.groups())


# --- sound rewrites ---------------------------------------------------------

_SYNONYMS = (
    "began|started", "started|began", "located|situated", "because|since", "many|numerous",
    "large|big", "big|large", "also|additionally", "most of|the majority of", "however,|yet",
    "such as|including", "about|concerning", "received|got", "obtained|acquired", "used|employed",
    "uses|employs", "shows|demonstrates", "showed|demonstrated", "important|significant",
    "created|made", "founded|established", "established|founded", "became|turned into",
    "known as|called", "called|known as", "helped|assisted", "nearly|almost", "almost|nearly",
    "built|constructed", "constructed|built", "won|captured", "required|needed",
    "primarily|mainly", "mainly|primarily", "due to|because of", "as a result of|owing to",
    "approximately|about", "film|movie", "movie|film", "author|writer", "physician|doctor",
    "children|kids", "died|passed away", "town|municipality", "attacked|assaulted",
    "compared to|versus", "in addition to|besides", "consisted of|comprised",
    "consists of|comprises", "contains|includes", "provided|supplied", "provide|supply",
    "throughout|across", "among|amid", "ended|concluded", "annual|yearly", "entire|whole",
    "various|several", "several|a number of", "famous|well-known", "led by|headed by",
    "led|headed", "purchased|bought", "acquired|bought", "sold|disposed of",
    "was born in|came into the world in", "wrote|penned", "prior to|before",
    "revenue|sales revenue",
    "expenses|costs", "costs|expenses", "obtain|get", "commenced|began", "recorded|booked",
    "people|persons", "rapidly|quickly", "quickly|rapidly", "remained|stayed", "allowed|permitted",
    "whole|entire", "often|frequently", "frequently|often", "usually|generally", "begin|start",
    "primary|main", "main|principal", "additional|further", "within|inside", "near|close to",
    "against|versus", "attempt|try", "attempted|tried", "resulted in|led to", "led to|caused",
    "stated|said", "said|stated", "reported|disclosed", "announced|declared",
    "expects|anticipates",
    "approximate|rough", "while|whereas", "ensure|guarantee", "utilize|use", "assist|help",
    "amounts|sums", "estimated|gauged", "issued|released", "released|put out", "appeared|featured",
)  # fmt: skip
_PASSIVE = re.compile(
    r"^(?P<object>(?:The |A |An )?[\w' -]{3,60}?) (?P<be>was|were) "
    r"(?P<verb>\w+ed|written|built|won|led|made|held|sold|bought) by "
    r"(?P<subject>[A-Z][\w.' -]{2,60}?)(?P<rest>(?:,| in | on | for | and was ).*)?\.$"
)
_PAST = {"written": "wrote"}
_ACTIVE = re.compile(
    r"^(?P<subject>(?:The |A )?[A-Z][\w.']*(?: [A-Z][\w.']*)*) "
    r"(?P<verb>defeated|designed|directed|"
    r"founded|created|acquired|produced|published|discovered|invented|established|released|wrote|"
    r"composed|developed|won|announced|invaded|conquered|purchased|hired|signed|completed|"
    r"recorded) (?P<object>(?:the |a |an |its |his |her )?[\w'\u2019 -]{3,60}?)"
    r"(?P<rest>(?: in | on | for |, ).*)?\.$"
)
_PARTICIPLE = {"wrote": "written"}
_LEAD = re.compile(
    r"^(?P<lead>(?:In|On|During|After|Before|By|At|Since) [^,]{2,50}), (?P<rest>[^\n]+)\.$"
)
_TAIL = re.compile(
    r"^(?P<rest>[^,]{15,160}?) "
    r"(?P<lead>(?:in|on|during|after|before|since) (?:[A-Z]\w+ )?(?:\d{1,2},? )?"
    r"(?:1[5-9]|20)\d\d)\.$"
)
_DROPPED = (
    re.compile(r",? \([^()]{3,80}\)"),
    re.compile(
        r", (?:which|who|where|while|including|although|though|whose|with|such as) "
        r"[^,.;]{8,120}(?=[.]$|, )"
    ),
    re.compile(r"; [^;.]{10,150}(?=\.$)"),
)
_PREFIXES = (
    "According to the source, ", "The document states that ", "As reported, ", "It is noted that ",
    "The text says that ", "Per the evidence, ",
)  # fmt: skip
_SHORT = {
    "United States": "U.S.", "United Kingdom": "UK", "United Nations": "UN",
    "European Union": "EU",
    "World War II": "WWII", "New York City": "NYC", "Los Angeles": "LA",
    "Research and development": "R&D", "research and development": "R&D",
    "National Football League": "NFL", "Soviet Union": "USSR",
    "selling, general and administrative": "SG&A",
    "Selling, general and administrative": "SG&A", "chief executive officer": "CEO",
    "chief financial officer": "CFO", "earnings per share": "EPS", "Earnings per share": "EPS",
    "percent": "%", "per cent": "%", "million": "m", "billion": "bn", "million people": "m people",
    "World War I": "WWI", "Property, plant and equipment": "PP&E", "cost of goods sold": "COGS",
    "Securities and Exchange Commission": "SEC", "years ended": "yrs. ended", "Limited": "Ltd.",
    "Corporation": "Corp.", "Incorporated": "Inc.", "versus": "vs.", "Company": "Co.",
    "University of California, Los Angeles": "UCLA", "British Broadcasting Corporation": "BBC",
    "January": "Jan.", "February": "Feb.", "August": "Aug.", "September": "Sept.",
    "October": "Oct.", "November": "Nov.", "December": "Dec.", "kilometres": "km",
    "kilometers": "km", "square miles": "sq mi", "Doctor": "Dr.", "Saint": "St.",
}  # fmt: skip
_DEFINED = re.compile(
    r"((?:[A-Z][\w&-]+(?: (?:of|and|for|the|on))? ){1,5}[A-Z][\w-]+) \(([A-Z]{2,6})\)"
)


def paraphrase(fact: Fact, rng: random.Random) -> str | None:
    """The fact in other words and another order: at least two changes, or a new voice."""
    if fact.cell:
        year = fact.said.rsplit(" in ", 1)[1].rstrip(".")
        return rng.choice(
            (
                f"In {year}, {_lower(fact.label)} amounted to {fact.cell}.",
                f"The figure reported for {_lower(fact.label)} in {year} is {fact.cell}.",
                f"{fact.label} came to {fact.cell} for the year {year}.",
                f"In fiscal {year}, the company's {_lower(fact.label)} stood at {fact.cell}.",
                f"For FY{year}, {_lower(fact.label)} of {fact.cell} was recorded.",
            )
        )
    text, changes = fact.said, 0
    for pattern, table, built in (
        (_PASSIVE, _PAST, _to_active),
        (_ACTIVE, _PARTICIPLE, _to_passive),
    ):
        match = pattern.match(text)
        if match and not re.match(r"(?:It|He|She|They)\b", text):
            text, changes = built(match, table), changes + 2
            break
    for pattern in rng.sample(_DROPPED, len(_DROPPED)):
        shorter = pattern.sub("", text, count=1)
        if shorter != text and len(shorter.split()) >= 6:
            text, changes = shorter, changes + 1
            break
    if match := _LEAD.match(text):
        text, changes = f"{_upper(match['rest'])} {_lower(match['lead'])}.", changes + 1
    elif match := _TAIL.match(text):
        text, changes = f"{_upper(match['lead'])}, {_lower(match['rest'])}.", changes + 1
    pairs = [pair.split("|") for pair in rng.sample(_SYNONYMS, len(_SYNONYMS))]
    swapped = 0
    for old, new in pairs:
        changed = re.sub(rf"\b{re.escape(old)}(?!\w)", new, text, count=1)
        if changed != text and swapped < 3 and new not in text:
            text, changes, swapped = changed, changes + 1, swapped + 1
    subject = re.match(r"(?:It|He|She) (?=was|is|has|had)", text)
    if (
        subject
        and fact.piece.title
        and len(fact.piece.title.split()) < 5
        and _bare(fact)
        and rng.random() < 0.7
    ):
        text, changes = f"{fact.piece.title} {text[subject.end() :]}", changes + 1
    if changes == 1 and rng.random() < 0.5:
        text, changes = rng.choice(_PREFIXES) + _lower(text), 2
    return text if changes >= 2 else None


def _bare(fact: Fact) -> bool:
    """Whether the piece opens with its title, so that "it" stands for that."""
    return fact.piece.text.startswith(fact.piece.title)


def _to_active(match: re.Match[str], table: dict[str, str]) -> str:
    verb = table.get(match["verb"], match["verb"])
    return f"{_upper(match['subject'])} {verb} {_lower(match['object'])}{match['rest'] or ''}."


def _to_passive(match: re.Match[str], table: dict[str, str]) -> str:
    verb = table.get(match["verb"], match["verb"])
    be = "were" if re.search(r"[^s]s$", match["object"]) else "was"
    return f"{_upper(match['object'])} {be} {verb} by {match['subject']}{match['rest'] or ''}."


def _lower(text: str) -> str:
    first = text.split()[0] if text.split() else ""
    common = _NO_NAME.match(first) or first in (
        "There",
        "Most",
        "Some",
        "Many",
        "All",
        "During",
        "Before",
        "Since",
        "Its",
        "Their",
        "Such",
        "Both",
        "Other",
        "Each",
        "Cost",
        "Accounts",
        "Cash",
        "Other",
        "Income",
        "Interest",
        "Operating",
        "Gross",
        "Research",
        "Long-term",
        "Deferred",
        "Current",
        "Inventories",
        "Goodwill",
        "Revenue",
        "Revenues",
        "Selling",
        "General",
        "Depreciation",
    )
    month = re.match(
        r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|I$|[A-Z][a-z]+day)", first
    )
    return text[:1].lower() + text[1:] if common and not month else text


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def rescale(fact: Fact, rng: random.Random) -> str | None:
    """One number rounded or in another magnitude."""
    found = [m for m in _NUMBER.finditer(fact.said) if _roundable(m, fact)]
    if not found:
        return None
    match = rng.choice(found)
    digits = match["digits"].replace(",", "")
    value, sign = float(digits), match["sign"] or ""
    places = len(digits.partition(".")[2])
    if match["percent"]:
        new = (
            rng.choice((f"about {value:.0f}%", f"{value:.0f} percent", f"roughly {value:.0f}%"))
            if places
            else None
        )
        if places > 1 or (not new and value < 100):
            new = f"{value:.1f}%" if places > 1 else f"{value / 100:.2f}"
    elif match["scale"] or fact.scale:
        word = (match["scale"] or "").strip() or fact.scale.rstrip("s")
        size = {"thousand": 1e3, "million": 1e6, "billion": 1e9}[word] * value
        new = _words_of(size, sign, rng)
    elif value >= 10_000 and not fact.cell:
        new = _words_of(value, sign, rng)
    else:
        new = rng.choice(
            (f"about {sign}{value:.{max(places - 1, 0)}f}", f"roughly {sign}{_three(value)}")
        )
    if not new or new == match[0]:
        return None
    before = re.sub(
        r"\b(?:about|approximately|nearly|almost|around|over|roughly|more than) $",
        "",
        fact.said[: match.start()],
    )
    return f"{before}{new}{fact.said[match.end() :]}"


def _roundable(match: re.Match[str], fact: Fact) -> bool:
    digits = re.sub(r"\D", "", match["digits"])
    year = re.fullmatch(r"(?:1\d|20)\d\d", match["digits"]) and not match["scale"]
    after = fact.said[match.end() : match.end() + 3]
    named = re.search(r"(?:\bNo\.?|article|section|note|\bof|chapter|[A-Z]\w*) $|[A-Z]$",
                      fact.said[: match.start()]) and not match["sign"]  # fmt: skip
    return len(digits.strip("0")) >= 3 and not (year or named or re.match(r"\s?[\u2013-]", after))


def _three(value: float) -> str:
    from math import floor, log10

    step = 10 ** (floor(log10(value)) - 2)
    shown = round(value / step) * step
    return (
        f"{shown:,.0f}" if step >= 1 else f"{shown:.{len(str(step)) - 2}f}".rstrip("0").rstrip(".")
    )


def _words_of(size: float, sign: str, rng: random.Random) -> str:
    word, unit = next(
        (w, u)
        for w, u in (("billion", 1e9), ("million", 1e6), ("thousand", 1e3), ("", 1))
        if size >= u
    )
    shown = f"{size / unit:.{rng.choice((1, 2))}f}"
    lead = rng.choice(("", "about ", "approximately ", "around "))
    return f"{lead}{sign}{shown} {word}".rstrip()


def abbreviate(fact: Fact, rng: random.Random) -> str | None:
    """A name or term shortened or spelt out, as the evidence defines it or all do."""
    defined = _as_defined(fact, rng)
    if defined is not None:
        return defined
    for full, short in rng.sample(list(_SHORT.items()), len(_SHORT)):
        for old, new in ((full, short), (short, full)):
            ambiguous = old == short and old in ("m", "bn", "LA", "St.", "Co.", "UN", "EU")
            at = re.search(rf"(?<![\w$]){re.escape(old)}(?!\w)", fact.said)
            if at is None or ambiguous:
                continue
            before, after = fact.said[: at.start()], fact.said[at.end() :]
            if not _may_follow(before, full, new):
                continue
            if old == "%":
                return f"{before} percent{after}"
            glued = before[:-1] if new in ("%", "m", "bn") else before
            return f"{glued}{new}{'' if new.endswith('.') and after == '.' else after}"
    return None


def _may_follow(before: str, full: str, new: str) -> bool:
    """Whether a magnitude or percent sign may be put behind ``before``."""
    if new == "m":
        return bool(re.search(r"[$\u20ac\u00a3][\d.,]+ $", before))
    if full in ("million", "billion") or new == "%":
        return bool(re.search(r"\d $", before))
    return True


def _as_defined(fact: Fact, rng: random.Random) -> str | None:
    """By an abbreviation that the evidence itself gives in brackets."""
    for full, short in _DEFINED.findall(fact.piece.text):
        while full and full[0] != short[0]:
            full = full.partition(" ")[2]
        if "".join(w[0] for w in full.split() if w[0].isupper()) != short:
            continue
        said = fact.said.replace(f"{full} ({short})", short if rng.random() < 0.5 else full)
        if said != fact.said:
            return said
        if re.search(rf"\b{short}\b", fact.said):
            return re.sub(rf"\b{short}\b", full, fact.said, count=1)
        if full in fact.said:
            return fact.said.replace(full, short, 1)
    return None


def merge(fact: Fact, rng: random.Random) -> str | None:
    """Two neighbouring sentences, or two cells of a row, as one."""
    if fact.cell:
        year = fact.said.rsplit(" in ", 1)[1].rstrip(".")
        others = _cells_of(fact, year)
        if not others:
            return None
        other, value = rng.choice(others)
        return rng.choice(
            (
                f"{fact.label} was {fact.cell} in {year}, compared with {value} in {other}.",
                f"{fact.label} was {fact.cell} and {value} in {year} and {other}, respectively.",
                f"In {year} and {other}, {_lower(fact.label)} amounted to {fact.cell} "
                f"and {value}, respectively.",
                f"{fact.label} went from {value} in {other} to {fact.cell} in {year}.",
            )
        )
    if fact.following is None or fact.said.startswith("While"):
        return None
    one, two = fact.said.rstrip("."), fact.following.said
    if len(one.split()) + len(two.split()) > 60:
        return None
    return rng.choice(
        (
            f"{one}, and {_lower(two)}",
            f"While {_lower(one)}, {_lower(two)}",
            f"{one}; {_lower(two)}",
        )
    )


def _cells_of(fact: Fact, year: str) -> list[tuple[str, str]]:
    return [
        (other.rsplit(" in ", 1)[1].rstrip("."), value)
        for other, value in ((f.said, f.cell) for f in _rows(fact.piece) if f.label == fact.label)
        if not other.endswith(f" in {year}.") and value != fact.cell
    ]


_REWRITERS: dict[str, Callable[[Fact, random.Random], str | None]] = {
    "paraphrase": paraphrase, "number": rescale, "abbreviation": abbreviate, "merged": merge,
}  # fmt: skip


# --- errors -----------------------------------------------------------------


def wrong_number(fact: Fact, rng: random.Random) -> tuple[str, str] | None:
    """A number replaced: by another of the same evidence, or one changed in a digit or scale."""
    found = list(_NUMBER.finditer(fact.said))
    if fact.cell:
        found = [m for m in found if m[0].strip() == fact.cell]
    if not found:
        return None
    match = rng.choice(found)
    old = match[0].strip()
    year = bool(re.fullmatch(r"(?:1\d|20)\d\d", old))
    others = [n for n in fact.numbers if _worth(n) != _worth(old)
              and bool(re.fullmatch(r"(?:1\d|20)\d\d", n)) == year and n not in fact.said
              and ("%" in n) == ("%" in old)]  # fmt: skip
    if others and rng.random() < 0.5:
        new = rng.choice(others)
    elif match["scale"] and rng.random() < 0.3:
        new = (
            old.replace("million", "BILLION")
            .replace("billion", "million")
            .replace("BILLION", "billion")
        )
    else:
        new = _changed(old, rng)
    if _worth(new) == _worth(old) or re.search(
        rf"(?<![\w.,]){re.escape(new)}(?![\w,]|\.\d)", fact.said
    ):
        return None
    return f"{fact.said[: match.start()]}{new}{fact.said[match.start() + len(old) :]}", new


def _worth(text: str) -> str:
    return re.sub(r"[$\u20ac\u00a3,\s]", "", text).removesuffix("percent").removesuffix("%")


def _changed(old: str, rng: random.Random) -> str:
    digits = [n for n, char in enumerate(old) if char.isdigit()]
    at = digits[-1] if re.fullmatch(r"(?:1\d|20)\d\d", old) else rng.choice(digits[:2])
    choices = [d for d in "123456789" if d != old[at]]
    return f"{old[:at]}{rng.choice(choices)}{old[at + 1 :]}"


def swapped_name(
    fact: Fact, rng: random.Random, others: Sequence[Evidence]
) -> tuple[str, str] | None:
    """A name replaced by another of the same evidence or of another's, or two exchanged."""
    if fact.cell:
        near = [n for n in fact.labels if n != fact.label and not _within(n, fact.label)]
        return (
            (fact.said.replace(fact.label, near[0] if len(near) == 1 else rng.choice(near), 1), "")
            if near
            else None
        )
    here = _names(fact.said)
    if not here:
        return None
    how = rng.random()
    if how < 0.25 and len(here) >= 2:
        one, two = rng.sample(here, 2)
        if not _within(one, two) and not _list_of(fact.said, one, two):
            exchanged = fact.said.replace(one, "\0").replace(two, one).replace("\0", two)
            return exchanged, one
    old = rng.choice(here)
    pool = fact.names if how < 0.65 else [n for piece in others for n in _names(piece.text)]
    good = [n for n in pool if n not in fact.said and not _within(n, old) and _alike(n, old)]
    if not good:
        return None
    new = rng.choice(good)
    changed = re.sub(rf"\b{re.escape(old)}\b", new, fact.said)
    return (changed, new) if changed != fact.said else None


def _within(one: str, two: str) -> bool:
    return bool(set(one.lower().split()) & set(two.lower().split()))


def _alike(one: str, two: str) -> bool:
    return one.isupper() == two.isupper() and (len(one.split()) > 1) == (len(two.split()) > 1)


def _list_of(said: str, one: str, two: str) -> bool:
    """Whether the two stand in one enumeration, where their order says nothing."""
    first, last = sorted((said.find(one), said.find(two)))
    between = said[first:last]
    return bool(re.search(r"(?:, | and | or |/)$", between)) and not re.search(
        r"[a-z]{3,} [a-z]{3,}", between
    )


_INVENTED = (
    "was widely regarded as a turning point",
    "is expected to continue for several years",
    "exceeded what had been planned",
    "has been confirmed by independent observers",
)


def made_up(fact: Fact, rng: random.Random, others: Sequence[Evidence]) -> str:
    """A quote that stands nowhere in the evidence but could."""
    how = rng.random()
    changed = wrong_number(replace(fact, said=" ".join(fact.quote.split())), rng)
    if how < 0.3 and changed:
        return changed[0]
    exchanged = swapped_name(
        replace(fact, said=" ".join(fact.quote.split()), cell=""), rng, others
    )
    if how < 0.5 and exchanged:
        return exchanged[0]
    if how < 0.75:
        words = fact.quote.split()
        cut = " ".join(words[: max(4, len(words) // 2)])
        return f"{cut} {rng.choice(_INVENTED)}"
    sentence = [f.quote for piece in others for f in _sentences(piece)]
    return (
        rng.choice(sentence)
        if sentence
        else "It was widely regarded as a turning point by all who saw it."
    )


# --- answers ----------------------------------------------------------------


def items(
    world: World, rng: random.Random, wanted: dict[str, int], *, half: bool | None = None
) -> Iterator[Item]:
    """Answers of the kinds ``wanted``, so many of each as the data gives.

    Args:
        world: The data set.
        rng: Chooses; the same seed makes the same answers.
        wanted: How many of each kind: "as written", one of REWRITES or of ERRORS.
        half: Only of documents held out (``True``) or fitted on (``False``).
    """
    facts = [f for f in world.facts if half is None or held(f.piece.document_id) == half]
    for kind, count in wanted.items():
        made = 0
        for fact in rng.sample(facts, len(facts)):
            if made == count:
                break
            item = _item(kind, fact, world, rng)
            if item is not None:
                made += 1
                yield item


def _item(kind: str, fact: Fact, world: World, rng: random.Random) -> Item | None:
    others = [p for p in world.around(fact) if not _repeats(p, fact)][: PIECES - 1]
    if len(others) < 3:
        return None
    said = _said(kind, fact, rng, others)
    if said is None:
        return None
    claim, bad = said
    evidence = [fact.piece, *others]
    if kind not in ERRORS and not fact.cell and rng.random() < REPEATED:
        again = {"id": f"{fact.piece.id}-again", "text": fact.said, "title": "", "context": ""}
        evidence[-1] = fact.piece.model_copy(update=again)
        others = others[:-1]
    rng.shuffle(evidence)
    place = evidence.index(fact.piece)
    cited = place
    if kind == "wrong marker":
        cited = evidence.index(rng.choice(others[:3]))
    page, quote = _draft(kind, fact, rng, others)
    if kind == "made-up quote" and _bare_text(quote) in _bare_text(fact.piece.text):
        return None
    drafts = [Draft(n, piece.id) for n, piece in enumerate(evidence, 1)]
    drafts[cited] = Draft(cited + 1, evidence[cited].id, page, quote)
    lead = ""
    if rng.random() < 0.5:  # a second sentence, as written
        other = next(
            (f for f in rng.sample(world.facts, 40) if f.piece.id in {p.id for p in others}), None
        )
        if other is not None and evidence.index(other.piece) != cited:
            lead = f"{other.said.rstrip('.')} [{evidence.index(other.piece) + 1}]. "
    marked = (
        f"{claim.rstrip('.')} [{cited + 1}]." if rng.random() < 0.5 else f"{claim} [{cited + 1}]"
    )
    return Item(
        kind, kind not in ERRORS, lead + marked, len(lead), tuple(drafts), tuple(evidence),
        held(fact.piece.document_id), bad,
    )  # fmt: skip


def _said(
    kind: str, fact: Fact, rng: random.Random, others: Sequence[Evidence]
) -> tuple[str, str] | None:
    """The sentence that an answer of this kind makes of a fact, and what was planted in it."""
    if kind in _REWRITERS:
        rewritten = _REWRITERS[kind](fact, rng)
        return None if rewritten is None else (rewritten, "")
    if kind == "wrong number":
        return wrong_number(fact, rng)
    if kind == "swapped name":
        return swapped_name(fact, rng, others)
    plain = not (_names(fact.said) or _NUMBER.search(fact.said))
    return None if kind == "wrong marker" and plain and rng.random() < 0.5 else (fact.said, "")


def _draft(
    kind: str, fact: Fact, rng: random.Random, others: Sequence[Evidence]
) -> tuple[int | None, str]:
    """The page and the quote that the answer gives."""
    page = fact.piece.page if rng.random() < 0.5 else None
    if kind == "wrong page":
        return fact.piece.page + rng.choice((-2, -1, 1, 2, 10)), ""
    if kind == "wrong marker":
        return None, ""
    if kind == "made-up quote":
        return page, made_up(fact, rng, others)
    sound = kind in (*REWRITES, "as written") and rng.random() < 0.5
    return page, _noised(fact, rng) if sound else ""


def _bare_text(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _repeats(piece: Evidence, fact: Fact) -> bool:
    """Whether a piece says the same, so that citing it would be no error."""
    said = set(re.findall(r"\w+", fact.said.lower()))
    texts = (
        piece.text.split("\n")
        if piece.modality == "table"
        else [piece.text[a:b] for a, b in sentences(piece.text)]
    )
    return any(len(said & set(re.findall(r"\w+", t.lower()))) > 0.7 * len(said) for t in texts)


def _noised(fact: Fact, rng: random.Random) -> str:
    """The words of the evidence as models give them: exact, tidied, cut, or with a slip."""
    quote, how = fact.quote, rng.random()
    if how < 0.4:
        return quote
    tidy = " ".join(quote.split())
    if how < 0.7:
        return (
            tidy.replace("\u2019", "'")
            .replace("\u201c", '"')
            .replace("\u201d", '"')
            .replace("\u2013", "-")
        )
    words = tidy.split()
    if how < 0.85 and len(words) > 9:
        return f"{' '.join(words[:4])} ... {' '.join(words[-4:])}"
    at = rng.choice([n for n, w in enumerate(words) if len(w) > 5 and w.isalpha()] or [-1])
    if at >= 0 and len(tidy) > 40:
        words[at] = words[at][:3] + words[at][4:]
    return " ".join(words)
