// Long lists of Pages: one button that ticks all or none. Without this script each has its box.

const MANY = 3;

for (const ticks of document.querySelectorAll(".ticks")) {
  const boxes = [...ticks.querySelectorAll("input[type=checkbox]")];
  if (boxes.length < MANY) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link all-or-none";
  const name = ticks.closest("fieldset").querySelector("legend").textContent;
  const label = () => {
    button.textContent = boxes.some((box) => box.checked) ? "Untick all" : "Tick all";
    button.setAttribute("aria-label", `${button.textContent}: ${name}`);
  };
  button.addEventListener("click", () => {
    const tick = !boxes.some((box) => box.checked);
    for (const box of boxes) box.checked = tick;
    label();
  });
  ticks.addEventListener("change", label);
  ticks.before(button);
  label();
}
