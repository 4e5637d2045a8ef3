// @ts-check
/** A question on its way to the service, and its answer on its way back. */

import { send } from "./api.js";
import { follow } from "./streams.js";

/**
 * Ask, and tell each event of the answer; it ends with `done` or `error`.
 *
 * @param {any} request As `/v1/ask` takes it.
 * @param {(event: {type: string, data: any}) => void} onEvent
 * @param {AbortSignal} signal Gives it up, here and at the service.
 * @throws {import("./api.js").Problem} If it is refused, or the connection is lost for good.
 */
export async function ask(request, onEvent, signal) {
  let stream = "";
  signal.addEventListener("abort", () => giveUp(stream), { once: true });

  /** @param {string} last */
  async function open(last) {
    if (stream) return send(stream, { headers: { "Last-Event-ID": last || "0" }, signal });
    const first = await send("/v1/ask", {
      method: "POST",
      json: { ...request, stream: true },
      signal,
    });
    stream = first.headers.get("Location") ?? "";
    return first;
  }

  await follow(
    open,
    (event) => {
      onEvent(event);
      return event.type === "done" || event.type === "error";
    },
    signal,
  );
}

/** @param {string} stream Its address; "" if it has not begun. */
function giveUp(stream) {
  // It may be over already: then there is nothing to give up, and nobody to be told.
  if (stream) send(stream.replace(/\/events$/, ""), { method: "DELETE" }).catch(() => {});
}
