// Draws the components of a page that has no kernel: see components.py.
function draw() {
  for (const el of document.querySelectorAll(".lbl-component:not([data-drawn])")) {
    const found = components[el.dataset.component], data = el.querySelector("script");
    if (!found || !data) continue;
    el.dataset.drawn = "";
    $kit.mount(found.render, el, JSON.parse(data.textContent));
  }
}
if (document.readyState === "loading") addEventListener("DOMContentLoaded", draw);
else draw();
