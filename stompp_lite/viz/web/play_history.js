// The page's address and its history: a change of settings is one entry, and Back brings back the
// settings before it. To arrive adds none, so one Back leaves a page that nobody changed.
const SOON = 700; // milliseconds within which two changes are one, as when keys run through a list

/** moved() is called when Back, Forward or a new address asks for something. */
export function remembering(moved) {
  let since = -Infinity;
  for (const kind of ["popstate", "hashchange"]) addEventListener(kind, moved);
  const write = (how, text) => {
    const entry = [{ playground: text }, "", `#${text}`];
    try { // without what stands behind a ?, if there is anything
      history[how](entry[0], "", location.href.split(/[?#]/)[0] + entry[2]);
    } catch { // a browser may forbid that from a disk
      try {
        history[how](...entry);
      } catch { /* "copy link" has it all the same */ }
    }
  };
  return {
    /** What the present entry holds, if its address does not tell. */
    get entry() {
      return history.state?.playground ?? "";
    },
    /** Where the reader arrives: what the entry holds. Its address stays, unless it is to be
     * `clean`. */
    arrive(text, clean) {
      if (clean) return write("replaceState", text);
      try {
        history.replaceState({ playground: text }, "");
      } catch { /* then Back has less to bring back */ }
    },
    /** Settings have changed; `own`: they get an entry of their own. */
    keep(text, own) {
      if (text === this.entry && location.hash === `#${text}`) return;
      const now = performance.now(), add = own && now - since > SOON;
      if (own) since = now;
      write(add ? "pushState" : "replaceState", text);
    },
    stop() {
      for (const kind of ["popstate", "hashchange"]) removeEventListener(kind, moved);
    },
  };
}
