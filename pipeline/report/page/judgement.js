"use strict";
// Sorting and filtering of the table; without a script it stands in the order that decides.
const ORDER = ["fail", "warn", "inconclusive", "no_data", "pass"];

// What a cell is sorted by: verdicts by what decides, numbers as such, all else as text.
function key(text) {
  const word = text.replace(/^[^a-z]+/, "");
  if (ORDER.includes(word)) return ORDER.indexOf(word);
  const value = parseFloat(text.replace(/,/g, ""));
  return Number.isNaN(value) ? text : value;
}

function compare(one, other) {
  const [a, b] = [key(one), key(other)];
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number") return -1;
  if (typeof b === "number") return 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function start() {
  const table = document.getElementById("checks");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({
    row,
    cells: [...row.cells].map((cell) => cell.textContent.trim()),
    text: row.textContent.toLowerCase(),
    verdict: row.dataset.v,
  }));
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const filters = [...document.querySelectorAll("button[data-verdict]")];

  function filter() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hidden = filters
      .filter((each) => each.getAttribute("aria-pressed") === "false")
      .map((each) => each.dataset.verdict);
    let count = 0;
    for (const each of rows) {
      const show = !hidden.includes(each.verdict) && wanted.every((word) => each.text.includes(word));
      each.row.hidden = !show;
      count += show;
    }
    shown.textContent = count === rows.length ? "" : `${count} of ${rows.length} checks`;
  }

  for (const each of filters) {
    each.addEventListener("click", () => {
      each.setAttribute("aria-pressed", each.getAttribute("aria-pressed") === "false");
      filter();
    });
  }
  search.addEventListener("input", filter);

  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      rows.sort((a, b) => sign * compare(a.cells[column], b.cells[column]));
      body.append(...rows.map((each) => each.row));
    });
  });
}

if (typeof module === "undefined") start();
else module.exports = { key, compare };
