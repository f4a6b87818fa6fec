// The ledger's page: buttons choose cards by question and by strength. A link to a hidden card
// shows it.
addEventListener("DOMContentLoaded", () => {
  const filters = document.querySelector(".lbl-filters");
  if (!filters) return;
  const cards = [...document.querySelectorAll(".lbl-chips[data-questions]")].map((chips) => ({
    section: chips.closest("section"),
    questions: chips.dataset.questions.split(" "),
    verdicts: chips.dataset.verdicts.split(";"),
  }));
  const chosen = { question: "", strength: "" }, status = filters.querySelector("[role=status]");
  const fits = ({ questions, verdicts }) =>
    (!chosen.question || questions.includes(chosen.question)) &&
    (!chosen.strength || chosen.strength.split(";").some((s) => verdicts.includes(s)));

  function choose(change, why = "") {
    Object.assign(chosen, change);
    for (const card of cards) card.section.hidden = !fits(card);
    for (const button of filters.querySelectorAll("button")) {
      const kind = "question" in button.dataset ? "question" : "strength";
      button.setAttribute("aria-pressed", String(button.dataset[kind] === chosen[kind]));
    }
    const shown = cards.filter(fits).length, all = shown === cards.length;
    status.textContent = why +
      (all ? `All ${shown} claims.` : `${shown} of ${cards.length} claims.`);
  }
  filters.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) choose({ ...button.dataset });
  });

  function follow(hash) {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    const section = target && target.closest("section[hidden]");
    if (!section) return;
    choose({ question: "", strength: "" }, `Every card again, for ${section.id.toUpperCase()}. `);
    target.scrollIntoView();
  }
  addEventListener("hashchange", () => follow(location.hash));
  document.addEventListener("click", (event) => { // the same link again changes no hash
    const link = event.target.closest("a[href*='#']");
    if (link && link.pathname === location.pathname) follow(link.hash);
  });
  filters.hidden = false;
});
