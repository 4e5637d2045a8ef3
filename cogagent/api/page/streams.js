// @ts-check
/** Streams of events, read by `fetch`, since `EventSource` cannot send an API key. */

import { Problem, lost } from "./api.js";

const TRIES = 6;
/** Milliseconds before the first new try; doubled each time. */
const PAUSE = 300;

/** @typedef {{id: string, type: string, data: any}} StreamEvent */

/**
 * Follow a stream to its end; where the connection is cut, take it up again.
 *
 * @param {(last: string) => Promise<Response>} open asks for the events behind the one named, or
 *   all for "".
 * @param {(event: StreamEvent) => boolean} take is given each; whether it was the last.
 * @param {AbortSignal} [signal]
 * @throws {Problem} If it is refused, or the connection is lost for good.
 */
export async function follow(open, take, signal) {
  let last = "";
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (tries) await new Promise((resolve) => setTimeout(resolve, PAUSE * 2 ** tries));
    try {
      for await (const event of events(await open(last))) {
        [last, tries] = [event.id, 0];
        if (take(event)) return;
      }
    } catch (error) {
      const passing = error instanceof Problem && error.status === 0;
      if (!passing || signal?.aborted) throw error;
    }
  }
  throw new Problem(0, {
    detail: "The connection to the service was lost.",
    remedy: "Try again.",
  });
}

/**
 * The events of a response, until it ends; comments are left out.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<StreamEvent>}
 */
async function* events(response) {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => Promise.reject(lost(error)));
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parsed(block);
        if (event !== null) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have ended by itself
  }
}

/** @param {string} block @returns {StreamEvent | null} */
function parsed(block) {
  let [id, type, data] = ["", "message", ""];
  for (const line of block.split("\n")) {
    if (line.startsWith("id:")) id = line.slice(3).trim();
    else if (line.startsWith("event:")) type = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5).trimStart();
  }
  return data ? { id, type, data: JSON.parse(data) } : null;
}
