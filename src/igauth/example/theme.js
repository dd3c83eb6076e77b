// Light or dark: the system's choice until the person chooses. A classic script in the head, so
// that the first paint is right already.
(() => {
  const KEY = "igauth-example-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off: the choice lasts as long as the page
    }
  }

  function store(theme) {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      // as above
    }
  }

  const isDark = () => root.dataset.theme === "dark";

  function apply(choice) {
    root.dataset.theme = choice === "dark" || choice === "light" ? choice : system.matches ? "dark" : "light";
    document.getElementById("theme")?.setAttribute("aria-pressed", String(isDark()));
  }

  apply(stored());
  system.addEventListener("change", () => apply(stored()));
  addEventListener("storage", (event) => event.key === KEY && apply(event.newValue));
  addEventListener("DOMContentLoaded", () => {
    apply(stored());
    document.getElementById("theme").addEventListener("click", () => {
      const wanted = isDark() ? "light" : "dark";
      // Back at what the system wants: follow the system again.
      const choice = (wanted === "dark") === system.matches ? null : wanted;
      store(choice);
      apply(choice);
    });
  });
})();
