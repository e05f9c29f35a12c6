// The index of results: search and sort over window.zsasNumbers, which numbers.js holds as gzipped JSON in base64.
// Nothing is fetched.
(async function () {
  const here = (id) => document.getElementById(id);
  if (!window.DecompressionStream) {
    here("zsas-count").textContent = "Searching needs a browser of 2023 or later; without it, take the whole table above.";
    return;
  }
  const packed = Uint8Array.from(atob(window.zsasNumbers), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(unpacked).json();
  const step = 200;
  const names = ["page", "table", "row", "column"];
  const heads = [...document.querySelectorAll("#zsas-results th")].map((head) => head.textContent);
  const text = (row, column) => (column < 4 ? data[names[column]][row[column]] : column === 6 ? data.unit[row[6]] : row[column]);
  const all = data.rows.map((row) => ({ row, words: names.map((name, place) => text(row, place)).concat(data.titles[text(row, 0)]).join(" ").toLowerCase() }));
  let found = all;
  let shown = step;
  let order = { column: -1, sign: 1 };

  function compare(a, b) {
    const [x, y] = [text(a.row, order.column), text(b.row, order.column)];
    if (x === null || y === null) return (x === null) - (y === null);
    return order.sign * (typeof x === "number" ? x - y : x.localeCompare(y));
  }

  function cell(line, column, content) {
    const made = document.createElement("td");
    made.setAttribute("role", "cell");
    if (content !== null) {
      made.dataset.column = heads[column];
      made.append(content);
    }
    line.append(made);
  }

  function draw() {
    const body = here("zsas-rows");
    body.replaceChildren();
    for (const { row } of found.slice(0, shown)) {
      const line = document.createElement("tr");
      line.setAttribute("role", "row");
      const link = document.createElement("a");
      link.href = "../_computed/" + text(row, 0) + ".html";
      link.textContent = data.titles[text(row, 0)];
      cell(line, 0, link);
      for (const column of [1, 2, 3]) cell(line, column, text(row, column));
      for (const column of [4, 5]) cell(line, column, row[column] === null ? null : String(row[column]));
      cell(line, 6, text(row, 6) || null);
      body.append(line);
    }
    here("zsas-count").textContent = found.length.toLocaleString("en") + " numbers";
    here("zsas-more").hidden = found.length <= shown;
  }

  function search() {
    const words = here("zsas-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    found = all.filter((entry) => words.every((word) => entry.words.includes(word)));
    if (order.column >= 0) found = found.slice().sort(compare);
    shown = step;
    draw();
  }

  for (const button of document.querySelectorAll("#zsas-results th button")) {
    button.addEventListener("click", function () {
      const column = Number(button.dataset.column);
      order = { column, sign: order.column === column ? -order.sign : 1 };
      for (const head of document.querySelectorAll("#zsas-results th")) head.removeAttribute("aria-sort");
      button.parentElement.setAttribute("aria-sort", order.sign > 0 ? "ascending" : "descending");
      search();
    });
  }
  here("zsas-search").addEventListener("input", search);
  here("zsas-more").addEventListener("click", function () {
    shown += step;
    draw();
  });
  search();
})();
