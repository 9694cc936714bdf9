"use strict";
// Shows the questions that are asked for: by the choice above them, by a text, or by the page's address (#show=differ).
(() => {
  const choice = document.getElementById("show");
  const search = document.getElementById("search");
  const count = document.getElementById("shown");
  const items = [...document.querySelectorAll("details.item")];
  const apply = () => {
    const text = search.value.trim().toLowerCase();
    let shown = 0;
    for (const item of items) {
      const fits = choice.value === "all" || item.dataset.flags.split(" ").includes(choice.value);
      item.hidden = !(fits && (text === "" || item.textContent.toLowerCase().includes(text)));
      shown += item.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${items.length}`;
  };
  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const known = [...choice.options].map((option) => option.value);
    choice.value = known.includes(asked.get("show")) ? asked.get("show") : "all";
    search.value = asked.get("text") ?? "";
    const item = items.find((each) => each.dataset.id === asked.get("item"));
    if (item) { item.open = true; item.scrollIntoView(); }
    apply();
  };
  choice.addEventListener("change", apply);
  search.addEventListener("input", apply);
  window.addEventListener("hashchange", read);
  document.getElementById("filter").hidden = false;
  read();
})();
