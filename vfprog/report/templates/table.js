"use strict";
// Sorts and filters the table of eyes, and opens what is folded before printing.
(() => {
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => { d.open = true; }));
  const table = document.getElementById("eye-table");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const value = (row, i) => row.cells[i].dataset.sort ?? row.cells[i].textContent;
  const numeric = i => heads[i].dataset.number ??= rows.every(r => !r.cells[i].classList.contains("n")) ? "" : "1";

  function sort(i, descending) {
    const compare = numeric(i)
      ? (a, b) => a - b
      : (a, b) => a.localeCompare(b, "en", { numeric: true });
    rows.sort((one, other) => {
      const a = value(one, i), b = value(other, i), missing = numeric(i) ? [!isNumber(a), !isNumber(b)] : [!a, !b];
      if (missing[0] || missing[1]) return missing[0] - missing[1];
      return descending ? compare(b, a) : compare(a, b);
    });
    body.append(...rows);
    heads.forEach((head, j) => head.setAttribute("aria-sort", j !== i ? "none" : descending ? "descending" : "ascending"));
  }
  const isNumber = text => text !== "" && !Number.isNaN(Number(text));

  heads.forEach((head, i) => head.querySelector("button").addEventListener("click", () =>
    sort(i, head.getAttribute("aria-sort") === "ascending")));

  // #sort=rate or #sort=rate,desc
  function fromAddress() {
    const [, key, order] = /^#sort=(\w+)(,desc)?$/.exec(location.hash) ?? [];
    const i = heads.findIndex(head => head.dataset.key === key);
    if (i >= 0) { sort(i, order === ",desc"); table.scrollIntoView(); }
  }
  addEventListener("hashchange", fromAddress);
  fromAddress();

  const filter = document.getElementById("filter"), flagged = document.getElementById("flagged");
  const shown = document.getElementById("shown"), patient = heads.findIndex(head => head.dataset.key === "patient");
  function show() {
    const wanted = filter.value.trim().toLowerCase();
    let n = 0;
    for (const row of rows) {
      const match = row.cells[patient].textContent.toLowerCase().includes(wanted);
      const flag = !flagged.checked || row.querySelector(".flag").textContent !== "";
      row.hidden = !(match && flag);
      n += !row.hidden;
    }
    shown.textContent = `${n} of ${rows.length} eyes shown`;
  }
  filter.addEventListener("input", show);
  flagged.addEventListener("change", show);
  show();
})();
