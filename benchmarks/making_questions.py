"""Questions made from sentences by rule, with their answers, to train a reader on.

After Lyu et al. 2021 (EMNLP, "Improving Unsupervised Question Answering via
Summarization-Informed Question Generation"): a sentence's dependency tree and
its named entities say who does what to whom; leaving one part out and asking
for it with the right question word makes a question.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spacy.tokens import Doc, Span, Token

_SUBJECTS = {"nsubj", "nsubjpass"}
_AUXILIARIES = {"aux", "auxpass"}
_OBJECTS = {"dobj", "attr", "oprd", "acomp", "dative"}
_CLAUSES = {"advcl", "ccomp", "xcomp"}
_LOOSE = {"prep", "advmod", "npadvmod", "advcl", "agent"}
"""Parts that a question may leave out."""
_PERSON_PRONOUNS = {"he", "she", "him", "her"}
_PLACES = {"GPE", "LOC", "FAC"}
_PLACE_PREPOSITIONS = {"in", "at", "near", "on", "from", "to"}
_TIME_PREPOSITIONS = {"in", "on", "during", "at", "by", "since", "until", "around", "after"}
_BE = {"be"}
_LIGHT = frozenset(
    "response order addition support fact case part way result example terms effect turn spite "
    "place time one most some many others same such thing manner respect regard course account "
    "behalf charge favor front use number kind type sort lot".split()
)
"""Nouns that say nothing by themselves."""
_LONGEST_ANSWER = 12
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Made:
    """A question and where its answer stands.

    Attributes:
        question: As it would be asked.
        start: First character of the answer in the document.
        end: One past its last character.
    """

    question: str
    start: int
    end: int


def questions(doc: Doc, topic: str, chooser: random.Random) -> Iterator[Made]:
    """Questions that sentences of ``doc`` answer, several for many of them.

    Args:
        doc: A parsed paragraph.
        topic: The title of its article, which stands for a pronoun where it is a person's name.
        chooser: Decides which parts are left out and which form is taken.
    """
    for sentence in doc.sents:
        if not _good(sentence):
            continue
        for verb in sentence:
            if verb.pos_ in {"VERB", "AUX"} and verb.dep_ not in _AUXILIARIES:
                yield from _Clause(verb, topic, chooser).questions()
        yield from _appositions(sentence)


def _good(sentence: Span) -> bool:
    text = sentence.text.strip()
    return (
        7 <= len(sentence) <= 55
        and text[:1].isupper()
        and text[-1:] in ".\"'"
        and "  " not in text
        and text.count('"') % 2 == 0
        and text.count("(") == text.count(")")
    )


class _Clause:
    """A verb with its subject and what belongs to it."""

    def __init__(self, verb: Token, topic: str, chooser: random.Random) -> None:
        self.verb = verb
        self.topic = topic
        self.chooser = chooser
        self.subject = self._subject()
        children = list(verb.children)
        self.auxiliaries = [t for t in children if t.dep_ in _AUXILIARIES]
        if not self.auxiliaries and verb.dep_ == "conj" and verb.tag_ in {"VBN", "VBG", "VB"}:
            # "was built and opened": the second verb borrows the first one's auxiliary.
            self.auxiliaries = [t for t in verb.head.children if t.dep_ in _AUXILIARIES]
        self.negation = [t for t in children if t.dep_ == "neg"]
        self.particles = [t for t in children if t.dep_ == "prt"]
        self.parts = [
            t
            for t in children
            if t.dep_ in _OBJECTS | _LOOSE | _CLAUSES and not t.is_punct and not self._links(t)
        ]

    def questions(self) -> Iterator[Made]:
        """A question for each part that can be asked for."""
        verb = self.verb
        finite = verb.tag_ in {"VBD", "VBZ", "VBP"} or any(
            a.tag_ in {"VBD", "VBZ", "VBP", "MD"} for a in self.auxiliaries
        )
        if self.subject is None or not finite or verb.dep_ in {"csubj", "parataxis"}:
            return
        subject = self._shown_subject()
        yield from self._of_subject()
        if subject is None:
            return
        for part in self.parts:
            yield from self._of_part(part, subject)

    # Who or what did it

    def _of_subject(self) -> Iterator[Made]:
        head = self.subject
        if head is None or head.pos_ == "PRON":
            return
        answer = _phrase(head)
        if answer is None:
            return
        rest = self._predicate()
        if rest is not None:
            for asked in self._asking(head, subject=True):
                yield from self._made(f"{asked} {rest}", answer)
        yield from self._inside(head, lambda shown: f"{shown} {rest}" if rest else None)

    def _predicate(self) -> str | None:
        """The verb and what follows, as it stands."""
        words = [*self.auxiliaries, *self.negation, self.verb, *self.particles]
        kept = self._kept(None)
        if not kept and not self.particles:
            return None
        return " ".join([_joined(sorted(words, key=lambda t: t.i)), *kept])

    # What it was done to, when, where

    def _of_part(self, part: Token, subject: str) -> Iterator[Made]:
        rest = self._kept(part)
        front, back = self._inverted(subject)
        tail = " ".join([back, *rest]).strip()
        if part.dep_ in {"dobj", "attr", "oprd", "dative"} or part.dep_ == "npadvmod":
            answer = _phrase(part)
            if answer is None:
                return
            kind = _kind(part)
            if part.dep_ == "npadvmod":
                if kind in {"DATE", "TIME"}:
                    yield from self._made(f"{self._when(answer)} {front} {tail}", answer)
                return
            for asked in self._asking(part, subject=False):
                yield from self._made(f"{asked} {front} {tail}", answer)
            yield from self._inside(
                part, lambda shown: f"{subject} {self._as_is()} {shown} {' '.join(rest)}"
            )
        elif part.dep_ in {"prep", "agent"}:
            yield from self._of_preposition(part, front, tail, subject, rest)
        elif part.dep_ == "advcl" and any(
            t.dep_ == "mark" and t.lower_ == "because" for t in part.children
        ):
            span = _subtree(part)
            if len(span) <= 2 * _LONGEST_ANSWER:
                yield from self._made(f"Why {front} {tail}", span)

    def _of_preposition(
        self, part: Token, front: str, tail: str, subject: str, rest: list[str]
    ) -> Iterator[Made]:
        objects = [t for t in part.children if t.dep_ == "pobj"]
        if len(objects) != 1:
            return
        (inner,) = objects
        answer = _phrase(inner)
        if answer is None:
            return
        kind, word = _kind(inner), part.lower_
        if kind in {"DATE", "TIME"} and word in _TIME_PREPOSITIONS:
            yield from self._made(f"{self._when(answer)} {front} {tail}", answer)
        elif kind in _PLACES and word in _PLACE_PREPOSITIONS:
            yield from self._made(f"Where {front} {tail}", answer)
            for asked in self._asking(inner, subject=False):
                yield from self._made(
                    f"{part.text.capitalize()} {_lower(asked)} {front} {tail}", answer
                )
        elif part.dep_ == "agent":
            for asked in self._asking(inner, subject=False):
                yield from self._made(f"{asked} {front} {tail} by", answer)
                yield from self._made(
                    f"By {'whom' if asked == 'Who' else _lower(asked)} {front} {tail}", answer
                )
        else:
            for asked in self._asking(inner, subject=False):
                if self.chooser.random() < 0.5:
                    yield from self._made(f"{asked} {front} {tail} {part.text}", answer)
                else:
                    shown = "whom" if asked == "Who" else _lower(asked)
                    yield from self._made(
                        f"{part.text.capitalize()} {shown} {front} {tail}", answer
                    )
        yield from self._inside(
            inner,
            lambda shown: f"{subject} {self._as_is()} {' '.join(rest)} {part.text} {shown}",
        )

    # A name within a longer phrase

    def _inside(self, head: Token, sentence: Callable[[str], str | None]) -> Iterator[Made]:
        """Ask for a name, number or describing word inside a phrase, in its place."""
        span = _subtree(head)
        if len(span) > 2 * _LONGEST_ANSWER:
            return
        for token in span:
            if (
                token.dep_ == "nummod"
                and token.head == head
                and head.pos_ == "NOUN"
                and _kind(head) not in {"DATE", "TIME", "MONEY", "PERCENT"}
            ):
                number = token.doc[min(t.i for t in token.subtree) : token.i + 1]
                shown = sentence(f"how many {head.text}")
                if shown:
                    yield from self._made(shown, number)
            elif (
                token.dep_ in {"amod", "compound"}
                and token.head == head
                and head.pos_ == "NOUN"
                and token.pos_ in {"ADJ", "NOUN", "PROPN"}
                and self.chooser.random() < 0.3
            ):
                shown = sentence(f"what {self.chooser.choice(('kind', 'type'))} of {head.text}")
                if shown:
                    yield from self._made(shown, token.doc[token.i : token.i + 1])
        for entity in head.doc[span.start : span.end].ents:
            if entity.start <= head.i < entity.end or self.chooser.random() < 0.5:
                continue
            asked = {"PERSON": "whom"}.get(entity.label_) or _class(entity.root) or None
            if asked is None:
                asked = {"DATE": "what year", "GPE": "what place", "ORG": "what organization"}.get(
                    entity.label_
                )
            if asked is None or (asked == "what year" and not entity.text.isdigit()):
                continue
            before = _text(head.doc[span.start : entity.start])
            after = _text(head.doc[entity.end : span.end])
            shown = sentence(f"{before} {asked} {after}")
            if shown:
                yield from self._made(shown, _trim(entity))

    # Question words

    def _asking(self, head: Token, *, subject: bool) -> list[str]:
        kind = _kind(head)
        if kind == "PERSON" or head.lower_ in {"people", "man", "woman"}:
            return ["Who"]
        if head.pos_ == "NUM" or kind in {"CARDINAL", "QUANTITY"}:
            return ["How many" if subject else "How much"]
        if kind == "MONEY":
            return ["How much"]
        if kind == "PERCENT":
            return ["What percentage"]
        if kind in {"DATE", "TIME"}:
            return ["What time" if kind == "TIME" else "What date"]
        named = _class(head)
        if named and self.chooser.random() < 0.7:
            return [named.capitalize()]
        if kind in {"ORG", "NORP"} and self.chooser.random() < 0.3:
            return ["Who"]
        if kind in _PLACES:
            return [
                self.chooser.choice(
                    ("What place", "What", "Which country" if kind == "GPE" else "What")
                )
            ]
        if (
            head.pos_ == "NOUN"
            and self.chooser.random() < 0.25
            and any(t.dep_ in {"amod", "compound", "prep", "nummod"} for t in head.children)
        ):
            number = head.tag_ == "NNS"
            return [f"Which {head.text}" if number or subject else f"What {head.text}"]
        return ["What"]

    def _when(self, answer: Span) -> str:
        if re.fullmatch(r"\d{4}", answer.text) and self.chooser.random() < 0.5:
            return self.chooser.choice(("In what year", "In which year", "What year"))
        if "century" in answer.text:
            return self.chooser.choice(("In what century", "When"))
        return "When"

    # Word order

    def _subject(self) -> Token | None:
        verb: Token | None = self.verb
        for _ in range(4):
            if verb is None:
                return None
            own = [t for t in verb.children if t.dep_ in _SUBJECTS]
            if own:
                found = own[0]
                if found.tag_ in {"WDT", "WP"}:
                    return verb.head if verb.dep_ == "relcl" else None
                return found
            verb = verb.head if verb.dep_ == "conj" and verb.head.pos_ in {"VERB", "AUX"} else None
        return None

    def _shown_subject(self) -> str | None:
        head = self.subject
        if head is None:
            return None
        if head.lower_ in _PERSON_PRONOUNS and _is_name(self.topic):
            return self.topic
        if head.lower_ == "it" and self.topic and self.chooser.random() < 0.4:
            return self.topic
        if head.pos_ == "PRON":
            return None
        return _text(
            _subtree(head, relative=self.verb.head != head and self.chooser.random() < 0.5)
        )

    def _as_is(self) -> str:
        words = [*self.auxiliaries, *self.negation, self.verb, *self.particles]
        return _joined(sorted(words, key=lambda t: t.i))

    def _inverted(self, subject: str) -> tuple[str, str]:
        """What stands before and after the rest: "did X", "build"."""
        verb = self.verb
        later = [t.text for t in self.negation + self.particles]
        subject = subject[:1].lower() + subject[1:] if _lowers(self.subject) else subject
        if self.auxiliaries:
            first, *others = self.auxiliaries
            words = [*(t.text for t in others), verb.text, *later]
            return f"{first.lower_} {subject}", " ".join(words)
        if verb.lemma_ in _BE:
            return f"{verb.lower_} {subject}", " ".join(later)
        helper = {"VBD": "did", "VBZ": "does"}.get(verb.tag_, "do")
        return f"{helper} {subject}", " ".join([verb.lemma_, *later])

    def _kept(self, left: Token | None) -> list[str]:
        """The texts of the other parts: those that may be missing are left out now and then."""
        found = []
        for part in self.parts:
            if part == left or (left is not None and part.is_ancestor(left)):
                continue
            if part.i < self.verb.i and part.dep_ in _LOOSE and self.chooser.random() < 0.5:
                continue
            odds = 0.55 if part.dep_ in _LOOSE else 0.3 if part.dep_ == "advcl" else 1.0
            span = _subtree(part, relative=self.chooser.random() < 0.4)
            if len(span) > 14 and part.dep_ in _LOOSE | _CLAUSES:
                continue
            if self.chooser.random() < odds and not any(t.tag_ in {"WDT", "WP"} for t in span):
                found.append(_text(span))
        return found

    @staticmethod
    def _links(token: Token) -> bool:
        return token.dep_ == "advmod" and token.lower_ in {
            "however", "therefore", "thus", "also", "moreover", "furthermore", "then", "so",
            "when", "where", "why", "how", "hence", "instead", "nevertheless",
        }  # fmt: skip

    def _made(self, text: str, answer: Span) -> Iterator[Made]:
        text = re.sub(r"\s+", " ", text).strip(" ,;:")
        text = re.sub(r"\s+([,.;:?!%)])", r"\1", text).replace("( ", "(")
        words = text.split()
        if self.chooser.random() < 0.15 and len(words) > 8:
            # People leave words out, and a reader must not need them all.
            places = [n for n, word in enumerate(words) if n > 1]
            words.pop(self.chooser.choice(places))
        said = answer.text.lower()
        opened = {word.lower() for word in words[2:]} & {"when", "while", "although", "because"}
        if (
            4 <= len(words) <= 26
            and not opened
            and _WORD.search(said)
            and said not in text.lower()
            and text.count("(") == text.count(")")
        ):
            yield Made(
                text[:1].upper() + " ".join(words)[1:] + "?", answer.start_char, answer.end_char
            )


def _appositions(sentence: Span) -> Iterator[Made]:
    """ "X, the founder of Y," answers who the founder of Y was."""
    for token in sentence:
        if token.dep_ != "appos" or token.head.pos_ != "PROPN" or token.pos_ != "NOUN":
            continue
        name, said = _phrase(token.head), _phrase(token)
        whole = _subtree(token)
        if name is None or said is None or len(whole) > 15 or len(whole) < 3:
            continue
        person = _kind(token.head) == "PERSON"
        asked = "Who" if person else "What"
        yield Made(f"{asked} was {_text(whole)}?", name.start_char, name.end_char)
        if person:
            yield Made(f"Who was {name.text}?", *_bounds(whole))
        else:
            yield Made(f"What is {name.text}?", *_bounds(whole))


def _bounds(span: Span) -> tuple[int, int]:
    return span.start_char, span.end_char


def _phrase(head: Token) -> Span | None:
    """The words that name a thing: its phrase without clauses; ``None`` if too long."""
    if head.pos_ in {"PRON", "DET", "ADV", "ADP"} or head.lower_ in _LIGHT:
        return None
    span = _subtree(head)
    if len(span) > _LONGEST_ANSWER:
        left = min(
            (t.i for t in head.lefts if t.dep_ in {"det", "amod", "compound", "nummod", "poss"}),
            default=head.i,
        )
        span = head.doc[min(left, head.i) : head.i + 1]
    span = _trim(span)
    if not 0 < len(span) <= _LONGEST_ANSWER or span[0].tag_ in {"PRP$", "PRP", "WDT", "WP", "DT"}:
        return None
    return span if span.text.count("(") == span.text.count(")") else None


def _trim(span: Span) -> Span:
    """Without an article in front and marks at the ends."""
    start, end = span.start, span.end
    while start < end and (
        span.doc[start].lower_ in {"the", "a", "an"} or span.doc[start].is_punct
    ):
        start += 1
    while (
        end > start
        and (span.doc[end - 1].is_punct or span.doc[end - 1].dep_ == "case")
        and span.doc[end - 1].text not in {")", "%"}
    ):
        end -= 1
    return span.doc[start:end]


def _subtree(head: Token, *, relative: bool = False) -> Span:
    """The words below ``head`` that stand together, clauses and appositions left out."""
    out: set[int] = set()
    for child in head.children:
        clause = child.dep_ in {"relcl", "acl"} and not relative
        if clause or child.dep_ in {"appos", "parataxis"}:
            out.update(t.i for t in child.subtree)
    kept = [t.i for t in head.subtree if t.i not in out]
    first = last = head.i
    while first - 1 in kept:
        first -= 1
    while last + 1 in kept:
        last += 1
    return head.doc[first : last + 1]


def _text(span: Span) -> str:
    return re.sub(r"\s+", " ", span.text).strip(" ,;:")


def _joined(tokens: list[Token]) -> str:
    return " ".join(t.text for t in tokens)


def _kind(head: Token) -> str:
    return head.ent_type_


def _class(head: Token) -> str | None:
    """What a name says it is: "river" of "the Amazon River"."""
    last = head.text
    if head.pos_ == "PROPN" and last.lower() in _CLASSES:
        return f"{'which' if len(last) % 2 else 'what'} {last.lower()}"
    return None


_CLASSES = frozenset(
    "university college school institute company corporation council party church museum river "
    "lake street road city county state act treaty war bowl park hall center club league "
    "association department ministry court bank group society bridge sea ocean island islands "
    "mountains battle revolution empire kingdom dynasty army navy award prize constitution "
    "congress parliament house union agency commission committee festival theory theorem law "
    "language airport station valley desert peninsula bay strait gulf republic province region "
    "district period century movement academy library magazine newspaper times fleet".split()
)


def _is_name(topic: str) -> bool:
    return len(topic.split()) in {2, 3} and all(w[:1].isupper() for w in topic.split())


def _lowers(head: Token | None) -> bool:
    """Whether a phrase's first word is a capital only because it opened the sentence."""
    if head is None:
        return False
    first = _subtree(head)[0]
    return first.is_sent_start is True and first.pos_ != "PROPN" and not first.ent_type_


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
