// @ts-check
/** Questions that were asked before: listed, shown again, deleted. */

import { get, pathOf, send } from "./api.js";
import { button, byId, h, sign } from "./dom.js";
import { Listing } from "./lists.js";
import { tell, tellError } from "./status.js";
import { when } from "./words.js";

/** The list of earlier questions. */
export class History {
  /** @param {(id: string) => void} open Shows one again. */
  constructor(open) {
    this.open = open;
    this.listing = new Listing(byId("history"), byId("more-history"), (one) => this.#entry(one));
  }

  /** Read the list anew. */
  async refresh() {
    await this.listing.show(["traces"]);
    byId("no-history").hidden = this.listing.list.childElementCount > 0;
  }

  /** @param {any} one */
  #entry(one) {
    const asked = button("link grow", () => this.open(one.id), one.question || "(not kept)");
    asked.title = when(one.at);
    return h(
      "li",
      { className: "entry" },
      asked,
      sign("×", `Delete the question ${one.question}`, () => this.#delete(one.id)),
    );
  }

  /** @param {string} id */
  async #delete(id) {
    if (!confirm("Delete this question and its trace?")) return;
    try {
      await send(pathOf(["traces", id]), { method: "DELETE" });
      tell("The question is deleted.");
      await this.refresh();
    } catch (error) {
      tellError(error);
    }
  }
}

/**
 * An answer of the past, with its plan and evidence.
 *
 * @param {string} id
 * @returns {Promise<{question: string, answer: any}>}
 * @throws {Error} If it ended without an answer.
 */
export async function pastAnswer(id) {
  const { question, answer, evidence, error } = await get(pathOf(["traces", id]));
  if (answer === null)
    throw new Error(`It was not answered: ${error?.message ?? "nothing more is known."}`);
  // A trace has all that was found; the answer's is what its steps took.
  const taken = new Set(answer.steps.flatMap((/** @type {any} */ step) => step.evidence));
  const kept = evidence.filter((/** @type {any} */ one) => taken.has(one.id));
  return { question, answer: { ...answer, trace: id, evidence: kept } };
}
