// Tables that are sorted by a click on a column's name: numbers by what they amount to, what has none last.
const SCALE = { ms: 1e-3, s: 1, min: 60 };
const valueOf = (row, column) => {
  const text = row.cells[column].textContent.trim();
  const number = parseFloat(text.replace(/(\d),(?=\d{3})/g, "$1"));
  return Number.isNaN(number) ? text : number * (SCALE[text.split(/\s/)[1]] ?? 1);
};
const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(b);
const empty = value => value === "-";
for (const table of document.querySelectorAll("table.sortable")) {
  for (const [column, header] of [...table.tHead.rows[0].cells].entries()) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: header.textContent });
    header.replaceChildren(button);
    button.onclick = () => {
      const sign = header.ariaSort === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map(row => [valueOf(row, column), row]);
      rows.sort(([a], [b]) => empty(a) || empty(b) ? empty(a) - empty(b) : sign * compare(a, b));
      body.append(...rows.map(([, row]) => row));
    };
  }
}
