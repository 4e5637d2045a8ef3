// @ts-check
/** A step of a plan: what the planner thought, asked of which tool, and found. */

import { h } from "./dom.js";

/** @type {Record<string, string>} */
const TOOLS = {
  text: "Text",
  image: "Pictures",
  web: "Web",
  region: "Look again",
  none: "Answer",
};

/**
 * @param {any} step
 * @param {boolean} over Whether it has been carried out.
 */
export function stepOf(step, over) {
  const found = new Map(step.findings.map((/** @type {any} */ one) => [one.query, one]));
  return h(
    "li",
    { className: over ? "step over" : "step", "aria-busy": over ? null : "true" },
    step.thought ? h("p", { className: "thought" }, step.thought) : null,
    step.resolved ? h("p", { className: "soft" }, `Understood as: ${step.resolved}`) : null,
    step.queries.length
      ? h(
          "ul",
          { className: "queries" },
          step.queries.map((/** @type {any} */ one) => query(one, found.get(one.id))),
        )
      : null,
    step.notes.map((/** @type {any} */ note) =>
      h("p", { className: "soft" }, `Noted: ${note.text}`),
    ),
    step.fallback ? h("p", { className: "soft" }, `Done otherwise: ${step.fallback}`) : null,
    step.done && step.reason ? h("p", { className: "soft" }, step.reason) : null,
    step.error ? h("p", { className: "bad" }, step.error) : null,
  );
}

/** @param {any} asked @param {any} finding */
function query(asked, finding) {
  return h(
    "li",
    { className: "query" },
    h("span", { className: `tool tool-${asked.tool}` }, TOOLS[asked.tool] ?? asked.tool),
    " ",
    asked.text,
    asked.why ? h("span", { className: "soft" }, ` (${asked.why})`) : null,
    finding
      ? h("span", { className: finding.error ? "bad" : "soft" }, ` → ${result(finding)}`)
      : null,
  );
}

/** @param {any} finding */
function result(finding) {
  if (finding.error) return finding.error.message;
  const number = finding.evidence.length;
  return `${number === 0 ? "nothing" : number} found, ${finding.seconds.toFixed(2)} s`;
}
