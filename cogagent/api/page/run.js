// @ts-check
/** A question with what becomes of it: plan, evidence, answer. */

import { answerOf, textWithMarkers } from "./answer.js";
import { button, h } from "./dom.js";
import { Cards } from "./evidence.js";
import { asText, copy, download } from "./leaving.js";
import { stepOf } from "./plan.js";
import { tell, tellError } from "./status.js";
import { count } from "./words.js";

/** @typedef {(place: import("./viewer.js").Place, opener: Element) => void} Open */

/** How an answer ended, in words. @type {Record<string, string>} */
const OUTCOMES = {
  answered: "Answered",
  partial: "Answered in part",
  abstained: "Not answered",
  budget_exhausted: "Ended by its budget",
  failed: "Failed",
};

/** What is shown of one question; fed with the events of its stream, or with a finished answer. */
export class RunView {
  /**
   * @param {string} question
   * @param {string[]} pictures addresses of the question's pictures.
   * @param {Open} open shows a place in its document.
   */
  constructor(question, pictures, open) {
    this.question = question;
    this.open = open;
    /** @type {any} */
    this.answer = null;
    this.text = "";
    /** @type {Map<number, any>} */
    this.citations = new Map();
    /** @type {Map<number, HTMLElement>} */
    this.steps = new Map();

    this.state = h("p", { className: "state soft" }, "Planning…");
    this.body = h("div", { className: "answer" });
    this.foot = h("div", { className: "row foot" });
    this.plan = h("ol", { className: "plan" });
    this.cards = new Cards(open);
    this.planFold = fold("Plan", this.plan);
    this.evidenceFold = fold("Evidence", this.cards.root);
    this.root = h(
      "article",
      { className: "run", "aria-label": `Question: ${question}`, "aria-busy": "true" },
      h("h2", { className: "question", tabindex: "-1" }, question),
      pictures.length
        ? h(
            "ul",
            { className: "pictures" },
            pictures.map((src) => h("li", {}, h("img", { src, alt: "Picture of the question" }))),
          )
        : null,
      this.state,
      this.body,
      this.foot,
      this.planFold,
      this.evidenceFold,
    );
  }

  /** @param {{type: string, data: any}} event */
  take({ type, data }) {
    if (type === "plan" || type === "step") this.#step(data.step, type === "step");
    else if (type === "evidence") this.#evidence(data.evidence);
    else if (type === "token") this.#write(data.text);
    else if (type === "citation") this.#cite(data.citation);
    else if (type === "done") this.finish(data.answer);
    else if (type === "error") this.fail(data.message, data.code);
  }

  /**
   * Show a whole answer.
   *
   * @param {any} answer
   */
  finish(answer) {
    this.answer = answer;
    for (const step of answer.steps) this.#step(step, true);
    for (const one of answer.evidence) this.#evidence(one);
    this.cards.cite(answer.citations);
    const { searches, seconds } = answer.usage;
    this.state.textContent = [
      OUTCOMES[answer.outcome] ?? answer.outcome,
      `${count(answer.steps.length, "step")}, ${count(searches, "search", "searches")}`,
      `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`,
    ].join(" · ");
    this.state.classList.toggle("bad", answer.outcome === "failed");
    this.body.replaceChildren(...answerOf(answer, this.open));
    this.foot.replaceChildren(...this.#deeds(answer));
    this.#end();
  }

  /**
   * Say that there will be no answer.
   *
   * @param {string} message
   * @param {string} [code]
   */
  fail(message, code = "") {
    this.state.textContent = code === "cancelled" ? "Stopped." : message;
    this.state.classList.toggle("bad", code !== "cancelled");
    this.#end();
  }

  /** @param {any} step @param {boolean} over */
  #step(step, over) {
    const made = stepOf(step, over);
    const there = this.steps.get(step.number);
    if (there) there.replaceWith(made);
    else this.plan.append(made);
    this.steps.set(step.number, made);
    if (!over) this.state.textContent = step.queries.length ? "Searching…" : "Answering…";
    title(this.planFold, "Plan", this.steps.size);
  }

  /** @param {any} evidence */
  #evidence(evidence) {
    this.cards.add(evidence);
    title(this.evidenceFold, "Evidence", this.cards.size);
  }

  /** @param {string} text */
  #write(text) {
    this.text += text;
    this.state.textContent = "Answering…";
    this.body.replaceChildren(
      h("p", { className: "text" }, textWithMarkers(this.text, this.citations, this.open)),
    );
  }

  /** @param {any} citation */
  #cite(citation) {
    this.citations.set(citation.marker, citation);
    this.#write("");
  }

  /** @param {any} answer What can be done with it. */
  #deeds(answer) {
    const copies = () => copy(asText(answer)).then(() => tell("The answer is copied."), tellError);
    const found = [button("quiet", copies, "Copy")];
    const saves = () => download(answer.trace).catch(tellError);
    if (answer.trace) found.push(button("quiet", saves, "Download the trace"));
    return found;
  }

  #end() {
    this.root.removeAttribute("aria-busy");
    this.root
      .querySelectorAll(".step[aria-busy]")
      .forEach((one) => one.removeAttribute("aria-busy"));
  }
}

/** @param {string} name @param {HTMLElement} inside */
function fold(name, inside) {
  return h(
    "details",
    { open: true, hidden: true, className: "fold" },
    h("summary", {}, name),
    inside,
  );
}

/** @param {HTMLElement} folded @param {string} name @param {number} number */
function title(folded, name, number) {
  folded.hidden = number === 0;
  const summary = folded.querySelector("summary");
  if (summary) summary.textContent = `${name} (${number})`;
}
