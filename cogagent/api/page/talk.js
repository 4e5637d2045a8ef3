// @ts-check
/** The questions and answers on the page, and the form for the next question. */

import { ask } from "./asking.js";
import { byId } from "./dom.js";
import { pastAnswer } from "./history.js";
import { Pictures } from "./pictures.js";
import { RunView } from "./run.js";
import { readOut, tellError } from "./status.js";

/** Earlier questions that are told with a follow-up. */
const TURNS = 10;

/** Asks, one question at a time, and shows what becomes of it. */
export class Talk {
  /**
   * @param {import("./run.js").Open} open shows a place in its document.
   * @param {import("./collections.js").Collections} collections The one chosen is asked.
   * @param {() => void} onAnswer There is one more in the history.
   */
  constructor(open, collections, onAnswer) {
    this.open = open;
    this.collections = collections;
    this.onAnswer = onAnswer;
    this.pictures = new Pictures();
    this.runs = byId("runs");
    this.field = byId("question");
    /** @type {{collection: string, question: string, answer: string}[]} */
    this.turns = [];
    /** @type {AbortController | null} */
    this.asking = null;
    byId("ask").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#submit();
    });
    byId("stop").addEventListener("click", () => this.asking?.abort());
    this.field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.field.addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      this.pictures.add(files);
    });
  }

  /** @param {{planner: string, planners: string[]}} inventory What the service can do. */
  offer({ planner, planners }) {
    byId("planner").replaceChildren(
      new Option(`As set up (${planner})`, ""),
      ...planners.map((name) => new Option(name, name)),
    );
  }

  /** Offer to follow up, if there is what can be followed. */
  offerFollowUp() {
    byId("follow-choice").hidden = this.#earlier().length === 0;
  }

  /** @param {string} id Of the trace of an answer that is shown again. */
  async show(id) {
    try {
      const { question, answer } = await pastAnswer(id);
      const run = new RunView(question, [], this.open);
      this.#add(run);
      run.finish(answer);
      name(id);
      run.root.querySelector("h2")?.focus();
    } catch (error) {
      tellError(error);
    }
  }

  async #submit() {
    const question = this.field.value.trim();
    if (!question || this.asking) return;
    this.asking = new AbortController();
    this.#busy(true);
    await this.collections.known;
    const collection = this.collections.name;
    const history = byId("follow").checked ? this.#earlier() : [];
    try {
      const pictures = await this.pictures.take();
      const run = new RunView(
        question,
        pictures.map((one) => one.url),
        this.open,
      );
      this.#add(run);
      this.field.value = "";
      const request = {
        question,
        collection,
        images: pictures.map((one) => one.data),
        history: history.length ? history : null,
        planner: byId("planner").value || null,
        strict: byId("strict").checked,
      };
      await this.#ask(run, request, this.asking.signal);
      if (run.answer) this.turns.push({ collection, question, answer: run.answer.text });
    } catch (error) {
      tellError(error);
    } finally {
      this.asking = null;
      this.#busy(false);
      this.offerFollowUp();
    }
  }

  /** @param {RunView} run @param {any} request @param {AbortSignal} signal */
  async #ask(run, request, signal) {
    try {
      await ask(request, (event) => run.take(event), signal);
    } catch (error) {
      run.fail(
        error instanceof Error ? error.message : String(error),
        signal.aborted ? "cancelled" : "",
      );
      if (!signal.aborted) this.field.value ||= request.question; // to be asked again
    }
    readOut([run.state.textContent, run.answer?.text].filter(Boolean).join(": "));
    if (!run.answer) return;
    if (run.answer.trace) name(run.answer.trace);
    this.onAnswer();
  }

  #earlier() {
    const collection = this.collections.name;
    const turns = this.turns.filter((one) => one.collection === collection).slice(-TURNS);
    return turns.map(({ question, answer }) => ({ question, answer }));
  }

  /** @param {RunView} run */
  #add(run) {
    byId("welcome").hidden = true;
    this.runs.append(run.root);
    run.root.scrollIntoView({ block: "start" });
  }

  /** @param {boolean} busy */
  #busy(busy) {
    byId("send").disabled = busy;
    byId("stop").hidden = !busy;
  }
}

/** @param {string} trace Its answer is what the page's address leads to. */
function name(trace) {
  history.replaceState(null, "", `#trace=${encodeURIComponent(trace)}`);
}
