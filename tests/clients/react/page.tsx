// A front end as the package's readme tells one to write it: what test_react.py drives.

import { useState } from "react";
import { createRoot } from "react-dom/client";
import { Igauth, type Connection } from "igauth";
import { IgauthProvider, useAccounts, useIgauth } from "igauth/react";

const base = document.querySelector<HTMLMetaElement>('meta[name="igauth-base"]')!.content;
const igauth = new Igauth(base);

function Accounts() {
  const { listing, error, busy, refresh } = useAccounts();
  const reconnect = listing?.meta.connections.find(({ status }) => status === "reconnect_required");
  return (
    <>
      {error && <p role="alert">{error.title} <a href={igauth.actionUrl(error.action) ?? "#"}>Mend it</a></p>}
      {reconnect && <button onClick={() => igauth.login({ reconnect: reconnect.id })}>Reconnect</button>}
      <ul aria-label="Accounts">{listing?.data.map((account) => <li key={account.id}>@{account.username}</li>)}</ul>
      <ul aria-label="Not listed">{listing?.meta.not_listed.map((entry, place) => <li key={place}>{entry.page?.name}: {entry.message}</li>)}</ul>
      <button disabled={busy} onClick={() => void refresh()}>Refresh</button>
    </>
  );
}

function Connections() {
  const [found, setFound] = useState<Connection[]>([]);
  return <button onClick={async () => setFound(await igauth.connections())}>Connections: {found.map(({ status }) => status).join()}</button>;
}

function Page() {
  const { status, user, error } = useIgauth();
  if (status === "loading") return <p>…</p>;
  if (status === "failed") return <p role="alert">{error?.title}</p>;
  if (!user) {
    return (
      <>
        {igauth.loginError && <p role="alert">Not logged in: {igauth.loginError.code}</p>}
        <button onClick={() => igauth.login()}>Log in</button>
      </>
    );
  }
  return (
    <>
      <h1>{user.name}</h1>
      <Accounts />
      <Connections />
      <button onClick={() => igauth.logout()}>Log out</button>
    </>
  );
}

createRoot(document.getElementById("root")!).render(<IgauthProvider igauth={igauth}><Page /></IgauthProvider>);
