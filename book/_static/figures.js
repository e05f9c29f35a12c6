// On a phone a wide figure or table scrolls in a box of its own (book.css). Where there is more of it to the right, the box
// is marked, and fades there and says so; the keyboard can scroll it.
window.addEventListener("load", () => {
  for (const box of document.querySelectorAll(".cell_output figure, .cell_output .text_html")) {
    const mark = () => {
      const wide = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("zsas-scrolls", wide);
      box.classList.toggle("zsas-more", wide && box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
      if (wide) box.tabIndex = 0;
    };
    box.addEventListener("scroll", mark, { passive: true });
    new ResizeObserver(mark).observe(box);
    mark();
  }
});
