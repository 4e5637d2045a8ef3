// @ts-check
/** Files on their way in: sent, then read by a job that is followed to its end. */

import { Problem, address, get, key, pathOf, send } from "./api.js";
import { byId, h, sign } from "./dom.js";
import { follow } from "./streams.js";
import { tell, tellError } from "./status.js";
import { baseName, count } from "./words.js";

/** Of one request; more files are sent in several. */
const FILES = 50;
const BYTES = 256 * 2 ** 20;

/** @type {Record<string, string>} */
const STAGES = {
  fetching: "Fetching",
  text: "Reading",
  pictures: "Looking at pictures",
  questions: "Answering",
};
const OVER = new Set(["done", "partial", "failed", "cancelled"]);

/** The jobs that read files, each shown until it is done. */
export class Uploads {
  /** @param {(collection: string) => void} onDone A job of the collection has ended. */
  constructor(onDone) {
    this.list = byId("jobs");
    this.onDone = onDone;
    /** @type {Set<string>} */
    this.followed = new Set();
  }

  /**
   * Send files to be read.
   *
   * @param {string} collection
   * @param {File[]} files
   */
  async send(collection, files) {
    for (const part of parts(files)) await this.#send(collection, part).catch(tellError);
  }

  /** Follow what was begun before the page was opened. */
  async resume() {
    const { items } = await get(pathOf(["jobs"], { limit: 20 }));
    for (const job of items) {
      if (job.kind === "ingest" && !OVER.has(job.state))
        this.#follow(job, new JobView(job.items.total, ""));
    }
  }

  /** @param {string} collection @param {File[]} files */
  async #send(collection, files) {
    const view = new JobView(files.length, files.length === 1 ? files[0].name : "");
    this.list.append(view.root);
    view.tell("Sending", 0);
    try {
      const { job } = await upload(collection, files, (share) => view.tell("Sending", share));
      this.#follow(job, view);
    } catch (error) {
      view.fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {any} job @param {JobView} view */
  async #follow(job, view) {
    if (this.followed.has(job.id)) return;
    this.followed.add(job.id);
    if (!view.root.isConnected) this.list.append(view.root);
    view.onStop(() =>
      send(pathOf(["jobs", job.id, "cancel"]), { method: "POST" }).catch(tellError),
    );
    try {
      await follow(
        (last) =>
          send(pathOf(["jobs", job.id, "events"]), {
            headers: last ? { "Last-Event-ID": last } : {},
          }),
        ({ data }) => {
          view.take(data);
          return OVER.has(data.state);
        },
      );
      const ended = await get(pathOf(["jobs", job.id]));
      const failed = ended.items.failed
        ? await get(pathOf(["jobs", job.id, "items"], { state: "failed", limit: 200 }))
        : { items: [] };
      view.finish(ended, failed.items);
    } catch (error) {
      view.fail(error instanceof Error ? error.message : String(error));
    }
    this.onDone(job.collection);
  }
}

/** One job as an entry of the list. */
class JobView {
  /** @param {number} files @param {string} name */
  constructor(files, name) {
    this.name = name || count(files, "file");
    this.told = h("span", { className: "small" }, this.name);
    this.bar = h("progress", { max: 1, "aria-label": `Progress of ${this.name}` });
    this.stops = () => {};
    this.stop = sign("×", `Stop reading ${this.name}`, () => this.stops());
    this.stop.hidden = true;
    this.faults = h("ul", { className: "faults" });
    this.root = h(
      "li",
      { className: "job" },
      h("div", { className: "row" }, h("span", { className: "grow" }, this.told), this.stop),
      this.bar,
      this.faults,
    );
  }

  /** @param {() => void} stops */
  onStop(stops) {
    this.stop.hidden = false;
    this.stops = stops;
  }

  /** @param {string} stage @param {number | null} share @param {string} [more] */
  tell(stage, share, more = "") {
    this.told.textContent = `${stage} ${this.name}${more && ` – ${more}`}`;
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
  }

  /** @param {any} event */
  take(event) {
    const { progress, items, state } = event;
    if (progress === null) return this.tell(state === "queued" ? "Waiting:" : "Reading", null);
    const { stage, done, total, pages, seconds_left, uri } = progress;
    const more = [
      items.total > 1 && uri ? baseName(uri) : "",
      pages ? count(pages, "page") : "",
      seconds_left ? `${Math.ceil(seconds_left)} s left` : "",
    ];
    this.tell(
      STAGES[stage] ?? stage,
      total ? done / total : null,
      more.filter(Boolean).join(", "),
    );
  }

  /** @param {any} job @param {any[]} failed */
  finish(job, failed) {
    const { done, total } = job.items;
    this.bar.remove();
    this.stop.remove();
    this.faults.replaceChildren(...failed.map((one) => fault(baseName(one.uri), one.error)));
    if (job.error) this.faults.append(fault(this.name, job.error));
    if (job.state === "cancelled") tell(`Stopped reading ${this.name}.`);
    else
      tell(
        done === total ? `Read ${this.name}.` : `Read ${done} of ${count(total, "file")}.`,
        done < total,
      );
    if (this.faults.childElementCount === 0) this.root.remove();
    else this.#leave(`${count(total - done, "file was", "files were")} not read`);
  }

  /** @param {string} message */
  fail(message) {
    this.bar.remove();
    this.stop.remove();
    this.faults.replaceChildren(h("li", { className: "bad small" }, message));
    this.#leave(`${this.name} was not read`);
    tell(`${this.name}: ${message}`, true);
  }

  /** @param {string} text */
  #leave(text) {
    this.told.textContent = text;
    const away = sign("×", "Take this notice away", () => this.root.remove());
    this.root.firstElementChild?.append(away);
  }
}

/** @param {string} name @param {any} error */
function fault(name, error) {
  return h(
    "li",
    { className: "bad small" },
    `${name}: ${[error?.message, error?.remedy].filter(Boolean).join(" ")}`,
  );
}

/** @param {File[]} files @returns {File[][]} */
function parts(files) {
  /** @type {File[][]} */
  const found = [];
  let bytes = 0;
  for (const file of files) {
    const part = found.at(-1);
    if (part && part.length < FILES && bytes + file.size <= BYTES) {
      part.push(file);
      bytes += file.size;
    } else {
      found.push([file]);
      bytes = file.size;
    }
  }
  return found;
}

/**
 * @param {string} collection
 * @param {File[]} files
 * @param {(share: number) => void} onSent Told how much was sent, 0 to 1.
 * @returns {Promise<any>} The job and the documents' ids. (`fetch` does not tell how much was sent.)
 */
function upload(collection, files, onSent) {
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.open("POST", address(pathOf(["collections", collection, "documents"])));
    request.responseType = "json";
    if (key.get()) request.setRequestHeader("Authorization", `Bearer ${key.get()}`);
    request.upload.onprogress = (event) => onSent(event.total ? event.loaded / event.total : 0);
    request.onload = () =>
      request.status === 202
        ? resolve(request.response)
        : reject(new Problem(request.status, request.response));
    request.onerror = () =>
      reject(new Problem(0, { detail: "The upload was cut off.", remedy: "Try again." }));
    request.send(form);
  });
}
