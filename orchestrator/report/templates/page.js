"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const neutrals = document.body.dataset.neutrals.split(" ");
  const themes = { light: neutrals, dark: ["#e6e9ed", "#9aa5b1", "#333b45", "#1b2027"] };
  const config = { responsive: true, displaylogo: false, showSendToCloud: false, showEditInChartStudio: false,
    plotlyServerURL: "", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
  const plots = Array.from(document.querySelectorAll("script[data-for]"),
    (script) => ({ node: document.getElementById(script.dataset.for), text: script.textContent }));
  const webgl = !!document.createElement("canvas").getContext("webgl");

  // The neutral colours of the light theme are exchanged as text, before plotly sees the figure.
  const figure = (text, theme) => JSON.parse(neutrals.reduce(
    (found, colour, i) => found.replaceAll(colour, themes[theme][i]), text));

  const draw = (theme, size) => {
    for (const { node, text } of plots) {
      const spec = figure(text, theme);
      if (spec.data.some((trace) => trace.type === "parcoords") && !webgl) {
        node.style.height = "auto";
        node.innerHTML = '<p class="webgl">This view needs WebGL, which this browser does not offer.</p>';
        continue;
      }
      const [width, height] = size ? size(node, spec.layout.height) : [undefined, spec.layout.height];
      Object.assign(spec.layout, { width, height });
      node.style.height = `${height}px`;
      Plotly.react(node, spec.data, spec.layout, config);
    }
  };
  const theme = () => (dark.matches ? "dark" : "light");
  if (window.Plotly) {
    draw(theme());
    dark.addEventListener("change", () => draw(theme()));
    // Paper is white and narrower: 186 mm of A4 are about 703 CSS pixels, for one panel or two side by side.
    window.addEventListener("beforeprint", () => draw("light", (node, height) =>
      (node.closest(".columns-1") ? [700, 0.85 * height] : [336, 0.72 * height])));
    window.addEventListener("afterprint", () => draw(theme()));
  }

  const table = document.getElementById("listing");
  if (!table) return;
  const groups = Array.from(table.tBodies);
  const find = document.getElementById("find");
  const state = document.getElementById("state");
  const mode = document.getElementById("mode");
  const unfold = document.getElementById("unfold");
  for (const [select, key] of [[state, "state"], [mode, "mode"]]) {
    for (const value of new Set(groups.map((group) => group.dataset[key]))) select.add(new Option(value, value));
  }
  const texts = new Map(groups.map((group) => [group, group.textContent.toLowerCase()]));

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const group of groups) {
      const seen = (!state.value || group.dataset.state === state.value)
        && (!mode.value || group.dataset.mode === mode.value)
        && words.every((word) => texts.get(group).includes(word));
      group.hidden = !seen;
      count += seen;
    }
    document.getElementById("shown").textContent = `${count} of ${groups.length} shown`;
  };
  const open = (group, yes) => {
    group.rows[1].hidden = !yes;
    group.querySelector(".fold").setAttribute("aria-expanded", yes);
  };
  const sort = (button) => {
    const head = button.closest("th");
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const column = Number(button.dataset.column);
    const numeric = "numeric" in button.dataset;
    const key = (group) => group.rows[0].cells[column].dataset.sort;
    groups.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
      return down ? -order : order;
    });
    table.append(...groups);
  };
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.column !== undefined) sort(button);
    else if (button || event.target.closest("tr.row")) {
      const group = event.target.closest("tbody");
      if (!String(window.getSelection())) open(group, group.rows[1].hidden);
    }
  });
  unfold.addEventListener("click", () => {
    const yes = unfold.getAttribute("aria-expanded") === "false";
    unfold.setAttribute("aria-expanded", yes);
    unfold.textContent = yes ? "Fold all" : "Unfold all";
    groups.forEach((group) => open(group, yes));
  });
  [find, state, mode].forEach((control) => control.addEventListener("input", filter));
  document.querySelector(".tools").hidden = false;
  filter();
})();
