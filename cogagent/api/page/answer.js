// @ts-check
/** An answer: its text with markers, what they point at, what is not borne out. */

import { leading, sourceOf } from "./evidence.js";
import { h } from "./dom.js";

/**
 * A whole answer.
 *
 * @param {any} answer
 * @param {import("./run.js").Open} open
 * @returns {Node[]}
 */
export function answerOf(answer, open) {
  const citations = new Map(answer.citations.map((/** @type {any} */ one) => [one.marker, one]));
  const shorter = answer.short && !answer.text.startsWith(answer.short);
  const parts = [
    shorter ? h("p", { className: "short" }, answer.short) : null,
    h("p", { className: "text" }, textWithMarkers(answer.text, citations, open)),
    citations.size
      ? h(
          "ol",
          { className: "sources", "aria-label": "Sources" },
          [...citations.values()].map((one) => source(one, open)),
        )
      : null,
    answer.closest
      ? h(
          "p",
          { className: "soft" },
          "The closest there is: ",
          leading("link", answer.closest, open),
        )
      : null,
    ...answer.claims
      .filter((/** @type {any} */ one) => one.verdict === "unsupported")
      .map(objection),
    ...answer.warnings.map((/** @type {string} */ one) => h("p", { className: "soft" }, one)),
    ...answer.undone.map((/** @type {string} */ one) =>
      h("p", { className: "soft" }, `Left undone: ${one}`),
    ),
  ];
  return parts.filter((one) => one !== null);
}

/**
 * A text in which each marker that has a citation is a button.
 *
 * @param {string} text
 * @param {Map<number, any>} citations
 * @param {import("./run.js").Open} open
 * @returns {(Node | string)[]}
 */
export function textWithMarkers(text, citations, open) {
  return text.split(/(\[\d+\])/).map((piece) => {
    const found = /^\[\d+\]$/.test(piece) ? citations.get(Number(piece.slice(1, -1))) : undefined;
    return found ? marker(found, open) : piece;
  });
}

/** @param {any} citation @param {import("./run.js").Open} open */
function marker(citation, open) {
  const name = `Source ${citation.marker}: ${sourceOf(citation)}`;
  const made = leading("marker", citation, open, `${citation.marker}`);
  made.setAttribute("aria-label", (made.title = name));
  return made;
}

/** @param {any} citation @param {import("./run.js").Open} open */
function source(citation, open) {
  return h(
    "li",
    { value: citation.marker },
    leading("link", citation, open),
    citation.quote ? h("q", { className: "small" }, citation.quote) : null,
    citation.verified
      ? null
      : h("span", { className: "bad small" }, "not found there word by word"),
  );
}

/** @param {any} claim */
function objection(claim) {
  const why = claim.objections
    .map((/** @type {any} */ one) => [one.reason, one.detail].filter(Boolean).join(": "))
    .join("; ");
  return h("p", { className: "bad" }, `Not borne out: “${claim.text}”${why && ` (${why})`}`);
}
