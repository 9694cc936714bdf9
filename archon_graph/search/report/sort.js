// Sorts the tables that are made for it by the column whose head is pressed.
(() => {
  const value = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
  };
  const compare = (one, other) => (typeof one === "number" ? one - other : one.localeCompare(other));
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const sign = falling ? -1 : 1;
        body.append(...[...body.rows].sort((one, other) => sign * compare(value(one, place), value(other, place))));
      });
    });
  }
})();
