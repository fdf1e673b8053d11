"use strict";
// Draws the figures in the reader's colours, those out of sight when they come into it.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const PRINTED = 660; // pixels of a page's width
  const drawn = new Set();

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const faint = (colour) => {
    const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    return `rgba(${parts.join(",")},0.16)`;
  };

  function painted(trace) {
    const { role, number } = trace.meta || {};
    const copy = { ...trace };
    if (role === "arm" || role === "band") {
      const colour = css(`--arm${number % 8}`);
      if (trace.type === "bar") copy.marker = { color: colour };
      else {
        copy.line = { ...trace.line, color: colour };
        copy.marker = { color: colour, size: 9 };
        if (trace.fill === "tonexty") copy.fillcolor = faint(colour);
      }
    } else if (role === "kind") copy.marker = { color: css(`--kind${number % 8}`) };
    else if (role === "work") copy.marker = { color: css(`--work${number % 7}`) };
    else if (role === "other task") copy.marker = { color: css("--other") };
    else if (role === "other") {
      copy.line = { ...trace.line, color: css("--other"), width: 1 };
      copy.marker = { color: css("--other") };
    } else if (role === "reference") copy.line = { ...trace.line, color: css("--reference") };
    if (copy.marker && trace.type === "bar") copy.marker.line = { width: 0 };
    return copy;
  }

  // A legend takes as many lines as its names need at this width.
  function legendHeight(data, width) {
    const names = new Set(data.filter((each) => each.showlegend !== false).map((each) => each.name));
    const characters = [...names].reduce((sum, name) => sum + name.length * 6.4 + 62, 0);
    return 22 * (1 + Math.ceil((1.15 * characters) / Math.max(width - 60, 200)));
  }

  function themed({ data, layout }, width, printed) {
    const axis = (own) => ({
      gridcolor: css("--grid"), zerolinecolor: css("--grid"), linecolor: css("--line"),
      ticks: "outside", tickcolor: css("--line"), automargin: true, ...own,
    });
    const legend = {
      orientation: "h", x: 0, y: 0, yanchor: "bottom", yref: "container", font: { size: 11.5 },
    };
    return {
      width: printed, autosize: !printed,
      margin: { l: 12, r: 14, t: 26, b: 12 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: css("--ink"), family: 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif', size: 12 },
      hovermode: "closest", hoverlabel: { bgcolor: css("--panel"), font: { color: css("--ink") }, bordercolor: css("--line"), align: "left", namelength: -1 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--soft"), activecolor: css("--ink") },
      ...layout, height: (layout.height || 290) + legendHeight(data, width),
      legend: { ...legend, ...layout.legend }, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
    };
  }

  function draw(place, printed) {
    const figure = figures[place.id];
    if (!figure) return;
    Plotly.react(place, figure.data.map(painted), themed(figure, printed || place.clientWidth, printed), {
      responsive: true, displaylogo: false, modeBarButtons: [["toImage"]],
    });
    drawn.add(place);
  }

  const places = [...document.querySelectorAll(".plot")];
  const watch = new IntersectionObserver((seen) => {
    for (const each of seen) {
      if (each.isIntersecting && !drawn.has(each.target)) draw(each.target);
    }
  }, { rootMargin: "800px" });
  places.forEach((place) => watch.observe(place));
  dark.addEventListener("change", () => drawn.forEach((place) => draw(place)));
  const root = document.documentElement;
  window.addEventListener("beforeprint", () => {
    root.classList.add("printed"); // paper is white
    places.forEach((place) => draw(place, PRINTED));
  });
  window.addEventListener("afterprint", () => {
    root.classList.remove("printed");
    places.forEach((place) => draw(place));
  });
})();
