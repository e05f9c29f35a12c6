// On a phone a wide figure, table or formula scrolls in a box of its own (book.css), a formula in one that MathJax makes
// inside. Where there is more of it to the right, the box is marked, and fades there and says so; the keyboard can scroll it.
window.addEventListener("load", () => {
  const boxes = ".cell_output figure, .cell_output .text_html, .bd-article div.math";
  for (const box of document.querySelectorAll(boxes)) {
    const mark = () => {
      const moving = box.querySelector(":scope > mjx-container") ?? box;
      const wide = moving.scrollWidth > moving.clientWidth + 1;
      box.classList.toggle("zsas-scrolls", wide);
      box.classList.toggle("zsas-more", wide && moving.scrollLeft + moving.clientWidth < moving.scrollWidth - 1);
      if (wide) moving.tabIndex = 0;
    };
    box.addEventListener("scroll", mark, { passive: true, capture: true });
    new ResizeObserver(mark).observe(box);
    mark();
  }
});
