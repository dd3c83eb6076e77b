import { type IgauthError, loginFailed } from "./error.js";

const OURS = /^(error|error_description|request_id)(=|$)/;

/**
 * An address without what a failed login added to it: igauth refuses a `return_to` that carries
 * it. `#_=_` is Facebook's; browsers carry it over redirects.
 */
export function withoutOurs(address: string): string {
  const [, path = "", query = "", hash = ""] = /^([^?#]*)\??([^#]*)(.*)$/.exec(address) ?? [];
  const rest = query.split("&").filter((pair) => pair && !OURS.test(pair)).join("&");
  return path + (rest && `?${rest}`) + (hash === "#_=_" ? "" : hash);
}

/**
 * The failure that a login by redirect came back with, or null; the address bar is cleaned, so
 * that a reload, a bookmark or the next login doesn't repeat it. Only igauth's own (it always
 * adds a `request_id`) is taken: another library's `?error=` stays.
 */
export function takeLoginError(): IgauthError | null {
  const query = new URLSearchParams(location.search);
  const [code, requestId] = [query.get("error"), query.get("request_id")];
  if (!(code && requestId) && location.hash !== "#_=_") return null;
  const clean = code && requestId ? withoutOurs(location.href) : location.href.replace(/#_=_$/, "");
  history.replaceState(history.state, "", clean);
  return code && requestId ? loginFailed(code, requestId) : null;
}
