// On a phone a table of words is read row by row (book.css): each cell then says which column it is from, and what is laid
// out as blocks still is a table to those who listen.
document.addEventListener("DOMContentLoaded", () => {
  const wordy = (table) => [...table.querySelectorAll("td")].some((cell) => cell.textContent.length > 40);
  const columns = (table) => [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  const written = [...document.querySelectorAll(".bd-article table.table:not(.zsas-rows)")].filter((table) => columns(table).length > 2);
  const computed = [...document.querySelectorAll(".cell_output .text_html table:not(:has([rowspan], [colspan]))")].filter(wordy);
  for (const table of [...written, ...computed]) {
    const names = columns(table);
    table.classList.add("zsas-rows");
    table.setAttribute("role", "table");
    for (const row of table.rows) {
      row.setAttribute("role", "row");
      [...row.cells].forEach((cell, place) => {
        cell.setAttribute("role", cell.tagName === "TD" ? "cell" : cell.closest("thead") ? "columnheader" : "rowheader");
        if (cell.tagName === "TD" && cell.textContent.trim()) cell.dataset.column = names[place] ?? "";
      });
    }
  }
  // A table that scrolls in its own box can be scrolled with the keyboard.
  for (const box of document.querySelectorAll(".cell_output .text_html:has(table)")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) {
      Object.assign(box, { tabIndex: 0, role: "region", ariaLabel: "Table" });
    }
  }
});
