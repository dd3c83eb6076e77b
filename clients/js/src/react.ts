import { createContext, createElement, type ReactNode, useCallback, useContext, useEffect, useState } from "react";
import type { Listing, SessionState } from "./api.js";
import type { Igauth } from "./client.js";
import type { IgauthError } from "./error.js";

export interface IgauthState {
  igauth: Igauth;
  /** `loading` at first; `failed` where igauth couldn't be asked who is here (see `error`). */
  status: "loading" | "signed-in" | "signed-out" | "failed";
  user: SessionState["user"];
  session: SessionState | null;
  error: IgauthError | null;
  /** Asks again who is here. */
  reload: () => void;
}

const Context = createContext<IgauthState | null>(null);

/** Around all that wants to know who is here. Make `igauth` once, outside of components. */
export function IgauthProvider({ igauth, children }: { igauth: Igauth; children?: ReactNode }) {
  const [session, setSession] = useState<SessionState | null>(null);
  const [error, setError] = useState<IgauthError | null>(null);
  const reload = useCallback(() => {
    igauth.session().then((now) => (setSession(now), setError(null)), setError);
  }, [igauth]);
  useEffect(() => {
    reload();
    return igauth.onSessionChange(setSession);
  }, [igauth, reload]);
  const status = session ? (session.authenticated ? "signed-in" : "signed-out") : error ? "failed" : "loading";
  return createElement(Context.Provider, { value: { igauth, status, session, user: session?.user ?? null, error, reload } }, children);
}

/** Who is here, and the client. */
export function useIgauth(): IgauthState {
  const state = useContext(Context);
  if (!state) throw new Error("useIgauth wants an <IgauthProvider> around it");
  return state;
}

/** The accounts of whoever is here; null while they are on their way, or nobody is. */
export function useAccounts() {
  const { igauth, user } = useIgauth();
  const [listing, setListing] = useState<Listing | null>(null);
  const [error, setError] = useState<IgauthError | null>(null);
  const [busy, setBusy] = useState(false);
  const id = user?.id;
  const load = useCallback(async (options?: { refresh?: boolean; signal?: AbortSignal }) => {
    setBusy(true);
    try {
      setListing(await igauth.accounts(options));
      setError(null);
    } catch (failure) {
      if (!options?.signal?.aborted) setError(failure as IgauthError);
    } finally {
      if (!options?.signal?.aborted) setBusy(false);
    }
  }, [igauth]);
  useEffect(() => {
    setListing(null);
    setError(null);
    if (!id) return;
    const gone = new AbortController();
    void load({ signal: gone.signal });
    return () => gone.abort();
  }, [id, load]);
  return { listing, error, busy, refresh: useCallback(() => load({ refresh: true }), [load]) };
}
