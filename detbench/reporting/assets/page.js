"use strict";
(() => {
  const data = JSON.parse(document.getElementById("figures").textContent);
  const drawn = new Set();
  const printed = matchMedia("print");
  const PAPER_WIDTH = 680;

  const variable = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The page's colors apply to figures, too, so light, dark and print share them.
  function theme(layout) {
    const changes = {
      "font.color": variable("--ink"),
      "hoverlabel.bgcolor": variable("--paper"),
      "hoverlabel.font.color": variable("--ink"),
      "hoverlabel.bordercolor": variable("--line"),
    };
    for (const axis of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
      changes[`${axis}.gridcolor`] = variable("--grid");
      changes[`${axis}.zerolinecolor`] = variable("--line");
      changes[`${axis}.linecolor`] = variable("--line");
    }
    return changes;
  }

  function draw(element) {
    if (drawn.has(element)) return;
    drawn.add(element);
    const { traces, layout } = data[element.dataset.figure];
    const base = {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12 },
      ...layout,
      margin: { ...layout.margin },
    };
    if (base.showlegend) base.margin.t = 20 + 20 * legendLines(traces, element.clientWidth);
    element.style.height = `${base.height + base.margin.t}px`;
    base.height += base.margin.t;
    const options = { responsive: true, displaylogo: false, displayModeBar: "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
    Plotly.newPlot(element, traces, base, options).then(() => Plotly.relayout(element, theme(layout)));
  }

  // The legend stands above the plot, in as many lines as the names need.
  function legendLines(traces, width) {
    const named = traces.filter((trace) => trace.showlegend !== false);
    const longest = Math.max(0, ...named.map((trace) => (trace.name || "").length));
    const columns = Math.max(1, Math.floor((width - 66) / (longest * 6.6 + 46)));
    return Math.ceil(named.length / columns);
  }

  function again() {
    for (const element of drawn) {
      const changes = theme(data[element.dataset.figure].layout);
      if (printed.matches) Object.assign(changes, { width: PAPER_WIDTH, autosize: false });
      else Object.assign(changes, { width: null, autosize: true });
      Plotly.relayout(element, changes);
    }
  }

  function download(key) {
    const { csv, name } = data[key];
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(new Blob([csv], { type: "text/csv;charset=utf-8" }));
    anchor.download = name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  }

  for (const button of document.querySelectorAll("[data-csv]"))
    button.addEventListener("click", () => download(button.dataset.csv));
  for (const folded of document.querySelectorAll("details.folded"))
    folded.addEventListener("toggle", () => {
      if (folded.open) folded.querySelectorAll("[data-figure]").forEach(draw);
    });
  for (const element of document.querySelectorAll("[data-figure]"))
    if (!element.closest("details.folded")) draw(element);
  for (const change of [matchMedia("(prefers-color-scheme: dark)"), printed])
    change.addEventListener("change", again);
})();
