// A list of any length: only the rows that are seen stand in the page.

/** Show `items` in `box` by rows of `height` px; `make(item)` returns an element, `seen(last)` hears how far one looked. */
export class Rows {
  constructor(box, height, make, seen = () => {}) {
    Object.assign(this, { box, height, make, seen, items: [], first: -1, last: -1 });
    this.inside = document.createElement("div");
    this.inside.className = "rows-inside";
    this.inside.setAttribute("role", "list");
    box.append(this.inside);
    box.addEventListener("scroll", () => this.renew());
    new ResizeObserver(() => this.renew()).observe(box);
  }

  show(items) {
    this.items = items;
    this.inside.style.height = `${items.length * this.height}px`;
    this.first = -1;
    this.renew();
  }

  /** Bring an item into sight. */
  reveal(index) {
    const top = index * this.height;
    if (top < this.box.scrollTop || top + this.height > this.box.scrollTop + this.box.clientHeight)
      this.box.scrollTop = top - this.box.clientHeight / 2;
  }

  renew() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.height) - 4);
    const last = Math.min(this.items.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.height) + 4);
    if (first === this.first && last === this.last) return;
    [this.first, this.last] = [first, last];
    this.seen(last);
    this.inside.replaceChildren(
      ...this.items.slice(first, last).map((item, k) => {
        const row = this.make(item);
        row.style.transform = `translateY(${(first + k) * this.height}px)`;
        row.setAttribute("role", "listitem");
        row.setAttribute("aria-setsize", String(this.items.length));
        row.setAttribute("aria-posinset", String(first + k + 1));
        return row;
      }),
    );
  }
}
