// A campaign's table: a click on a column's title sorts by it, a second one the other way round.
document.querySelectorAll("table.units").forEach((table) => {
  const body = table.tBodies[0];
  const key = (row, i) => {
    const text = row.cells[i].dataset.value;
    return text === undefined ? row.cells[i].textContent : text === "" ? Infinity : Number(text);
  };
  table.querySelectorAll("thead button").forEach((button) => {
    button.addEventListener("click", () => {
      const head = button.closest("th"), i = head.cellIndex;
      const up = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, i), row]);
      rows.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1));
      body.append(...rows.map(([, row]) => row));
    });
  });
});
