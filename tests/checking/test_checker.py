"""The checker as a whole, on errors of each kind and on sound answers."""

from __future__ import annotations

import time

import pytest

from cogagent.checking.checker import Checker, Draft
from cogagent.types import Evidence
from tests.checking.conftest import piece


def reasons(checker: Checker, evidence: list[Evidence], text: str) -> set[str]:
    (claim,) = checker.check(text, evidence).claims
    assert (claim.verdict == "supported") == (not claim.objections)
    return {objection.reason for objection in claim.objections}


@pytest.mark.parametrize(
    "text",
    [
        "The Panthers defense gave up 308 points [1].",
        "Kawann Short led the team with 11 sacks [1].",
        "Thomas Davis had 5.5 sacks [1].",
        "Mario Addison added 6.5 sacks, and Denver defeated Carolina in the final [1].",
        "Carolina was defeated by Denver in the final [1].",
        "Total sales were $1,496.5 million in 2019 [2].",
        "In 2019, total sales came to about $1.5 billion [2].",
        "Total sales were $1,496.5 and $1,202.9 million in 2019 and 2018, respectively [2].",
        "Total sales increased by $293.6 million [2].",
        "The lake did not thaw until April [3].",
        "The lake froze on January 3, 2010 [3].",
    ],
)
def test_sound_claims_pass(checker: Checker, evidence: list[Evidence], text: str) -> None:
    assert reasons(checker, evidence, text) == set()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The Panthers defense gave up 318 points [1].", "number not there"),
        ("Mario Addison added 11 sacks [1].", "number of something else"),
        ("The Steelers defense gave up 308 points [1].", "name not there"),
        ("Carolina defeated Denver in the final [1].", "name of something else"),
        ("Total sales were $1,202.9 million in 2019 [2].", "number of something else"),
        ("Fixed Price was $1,496.5 million in 2019 [2].", "number of something else"),
        ("Total sales were $1,496.5 thousand in 2019 [2].", "number not there"),
        ("Total sales increased by $301.6 million [2].", "number not there"),
        ("The lake did thaw in May 2010 [3].", "name not there"),
        ("It thawed until April, and fish did not survive below the ice [3].", "contradicted"),
        ("Kawann Short led the team in sacks with 11 [9].", "no such citation"),
        ("Fish survived below the ice [2].", "not about it"),
    ],
)
def test_errors_are_found(
    checker: Checker, evidence: list[Evidence], text: str, reason: str
) -> None:
    assert reason in reasons(checker, evidence, text)


def test_the_right_evidence_is_suggested(checker: Checker, evidence: list[Evidence]) -> None:
    (claim,) = checker.check("Kawann Short led the team with 11 sacks [3].", evidence).claims
    assert claim.verdict == "unsupported"
    assert claim.suggested == "panthers"


def test_uncited_claims_say_where_they_stand(checker: Checker, evidence: list[Evidence]) -> None:
    (claim,) = checker.check("Kawann Short led the team with 11 sacks.", evidence).claims
    assert (claim.verdict, claim.suggested) == ("uncited", "panthers")


def test_support_is_the_sentence_letter_for_letter(
    checker: Checker, evidence: list[Evidence]
) -> None:
    checked = checker.check("Kawann Short had 11 sacks [1].", evidence)
    (support,) = checked.claims[0].support
    assert evidence[0].text[support.start : support.end].startswith("Pro Bowl defensive tackle")
    (citation,) = checked.citations
    assert citation.quote in evidence[0].text
    assert citation.verified
    assert citation.page == 3


def test_derived_numbers_say_how(checker: Checker, evidence: list[Evidence]) -> None:
    (claim,) = checker.check("Total sales increased by 24.4% in 2019 [2].", evidence).claims
    assert claim.verdict == "supported"
    assert claim.derived == ("24.4% = $1,496.5 % over $1,202.9",)


@pytest.mark.parametrize(
    ("page", "quote", "reason"),
    [
        (3, "led the team in sacks with 11", None),
        (None, "LED the team in sacks  with 11", None),
        (4, "", "wrong page"),
        (None, "led the team in sacks with 12", "quote not there"),
        (None, "was the best player of the season", "quote not there"),
    ],
)
def test_pages_and_quotes(
    checker: Checker, evidence: list[Evidence], page: int | None, quote: str, reason: str | None
) -> None:
    drafts = [Draft(5, "panthers", page, quote)]
    checked = checker.check("Kawann Short led the team with 11 sacks [5].", evidence, drafts)
    found = [objection.reason for objection in checked.claims[0].objections]
    assert found == ([reason] if reason else [])
    (citation,) = checked.citations
    assert citation.quote in evidence[0].text
    if reason == "quote not there":
        assert (citation.match, citation.verified) == ("none", False)


def test_each_part_of_a_sentence_has_its_own_citation(
    checker: Checker, evidence: list[Evidence]
) -> None:
    text = "Kawann Short had 11 sacks [1], while total sales were $1,496.5 million in 2019 [2]."
    (claim,) = checker.check(text, evidence).claims
    assert claim.verdict == "supported"
    swapped = text.replace("[1]", "[0]").replace("[2]", "[1]").replace("[0]", "[2]")
    assert checker.check(swapped, evidence).claims[0].verdict == "unsupported"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "[1][2][3].",
        "\x00\ud800 [1].",
        "A" * 20_000,
        "A-" * 5_000 + " [1].",
        "1,2" * 5_000 + " [1].",
        " ".join(["5 in"] * 3_000) + " [1].",
        "[1]" * 3_000,
        "is by " * 2_000,
        "5" + " " * 20_000 + "in 2018 [1].",
        "\n" * 20_000,
    ],
)
def test_hostile_answers_are_checked_in_time(
    checker: Checker, evidence: list[Evidence], text: str
) -> None:
    started = time.process_time()
    checker.check(text, evidence)
    assert time.process_time() - started < 5


def test_hostile_evidence_is_read_in_time(checker: Checker) -> None:
    from tests.checking.conftest import piece

    texts = ["|" * 5_000, " | " * 3_000, "A. " * 3_000, "5 " * 3_000, "", "\ud800", "He " * 3_000]
    started = time.process_time()
    checked = checker.check(
        "Kawann Short had 11 sacks [1][2][3][4][5][6][7].",
        [piece(str(n), text) for n, text in enumerate(texts)],
    )
    assert checked.claims[0].verdict == "unsupported"
    assert time.process_time() - started < 10


class NoEmbedder:
    """Shows that nothing is embedded."""

    def embed(self, texts: object, **_: object) -> object:
        raise AssertionError(f"embedded: {texts}")


QUOTE = "Fish survived below the ice."


def test_a_line_that_only_quotes_needs_no_model(evidence: list[Evidence]) -> None:
    checker = Checker(NoEmbedder())  # type: ignore[arg-type]
    row = "Total sales | $1,496.5 | $1,202.9"
    text = f"{QUOTE} [1]\n{row} [2]"
    drafts = [Draft(1, "lake", 9, QUOTE), Draft(2, "sales", 7, row)]
    checked = checker.check(text, evidence, drafts)
    assert checked.supported
    assert [claim.text for claim in checked.claims] == text.split("\n")
    assert [(c.marker, c.quote, c.verified) for c in checked.citations] == [
        (1, QUOTE, True), (2, row, True),
    ]  # fmt: skip
    (support,) = checked.claims[0].support
    assert evidence[2].text[support.start : support.end] == QUOTE
    assert support.score == 1.0


@pytest.mark.parametrize(
    ("text", "quote", "reason"),
    [
        (f"{QUOTE} [1]", QUOTE, "wrong page"),
        ("It did not thaw until June. [1]", "It did not thaw until June.", "quote not there"),
        ("thaw until April. [1]", "thaw until April.", "wrong page"),
    ],
)
def test_a_quote_has_to_stand_where_it_is_said_to(
    checker: Checker, evidence: list[Evidence], text: str, quote: str, reason: str
) -> None:
    checked = checker.check(text, evidence, [Draft(1, "lake", 4, quote)])
    (claim,) = checked.claims
    assert claim.verdict == "unsupported"
    assert reason in {objection.reason for objection in claim.objections}


def test_half_a_sentence_is_judged_like_any_claim(
    checker: Checker, evidence: list[Evidence]
) -> None:
    quote = "thaw until April."
    checked = checker.check(f"It did {quote} [1]", evidence, [Draft(1, "lake", None, quote)])
    assert checked.claims[0].verdict == "unsupported"


@pytest.mark.parametrize(
    "said", ["I cannot swim.", "Not found: the wreck.", "It froze.[3] It thawed?", "See:"]
)
def test_a_quote_is_a_claim_whatever_it_says(checker: Checker, said: str) -> None:
    found = [piece("odd", said)]
    (claim,) = checker.check(f"{said} [1]", found, [Draft(1, "odd", quote=said)]).claims
    assert (claim.verdict, claim.markers) == ("supported", (1,))
