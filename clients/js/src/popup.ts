import { IgauthError, loginFailed } from "./error.js";

const LOOK_MS = 400;

export const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

export function abortedBy(signal: AbortSignal): unknown {
  return signal.reason ?? new DOMException("Aborted", "AbortError"); // Safari 15.0 has no reason
}

/**
 * A login in a window of its own, from its opening to its end.
 *
 * @param loggedIn asks igauth whether there is a session, for a window that says nothing
 * @throws IgauthError the login's own code, `popup_blocked` or `popup_closed`
 */
export async function popupLogin(address: string, origin: string, loggedIn: () => Promise<boolean>, signal?: AbortSignal): Promise<void> {
  const popup = window.open(address, "igauth-login", "popup,width=560,height=760");
  if (!popup) throw new IgauthError({ code: "popup_blocked", title: "Window blocked" });
  const over = new AbortController();
  const until = { signal: over.signal };
  try {
    await new Promise<void>((resolve, reject) => {
      addEventListener("message", ({ data, origin: from, source }: MessageEvent) => {
        // Anybody may post messages: only igauth's origin, only from our own window.
        if (from !== origin || source !== popup || data?.source !== "igauth") return;
        if (data.ok) resolve();
        else reject(loginFailed(data.error, data.request_id));
      }, until);
      signal?.addEventListener("abort", () => {
        popup.close();
        reject(abortedBy(signal));
      }, until);
      whenClosed(popup, over.signal, loggedIn).then(resolve, reject);
    });
  } finally {
    over.abort();
  }
}

/**
 * Resolves or rejects when the window has gone without a word. A page in it may cut the tie
 * (Cross-Origin-Opener-Policy), and then it only seems closed: the person is back when this
 * page has the focus again.
 */
async function whenClosed(popup: Window, over: AbortSignal, loggedIn: () => Promise<boolean>): Promise<void> {
  while (!over.aborted && !(popup.closed && document.hasFocus())) await pause(LOOK_MS);
  await pause(LOOK_MS); // a message may still be on its way
  if (!over.aborted && !(await loggedIn())) {
    throw new IgauthError({ code: "popup_closed", title: "Window closed" });
  }
}
