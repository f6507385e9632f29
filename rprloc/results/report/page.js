// The page's tabs, strip, list of answers and tables. Whatever comes from a sheet, a header or a file name becomes text.
const data = JSON.parse(document.getElementById("data").textContent);
const BATCH = 20, SIGNS = { PASS: "✓", WARN: "!", FAIL: "✕" }, RANK = { FAIL: 0, WARN: 1, PASS: 2 };
const byId = (id) => document.getElementById(id);

// Tabs
const tabs = [...document.querySelectorAll("[role=tab]")];
function show(tab) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", chosen);
    one.tabIndex = chosen ? 0 : -1;
    byId(one.getAttribute("aria-controls")).style.display = chosen ? "" : "none";
  }
}
tabs.forEach((tab, number) => {
  tab.addEventListener("click", () => show(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(number + step + tabs.length) % tabs.length];
    show(next);
    next.focus();
  });
});
show(tabs[0]);

// The strip: a line for each structure, a cell for each query
const answers = data.answers.map((one, number) => ({ ...one, number }));
const withTruth = answers.some((one) => one.error);
let colouring = "doubt";

function verdictOf(one) { return colouring === "error" ? one.error : one.doubt; }
function inWords(one) {
  return [one.structure + " in " + one.subject + ": " + one.doubt[0], one.doubt[1], one.error ? "truth: " + one.error[1] : ""]
    .filter(Boolean).join("; ");
}
// Many queries stand in several bands, one below the other, so that no cell is out of sight.
function strip(cohort) {
  const own = answers.filter((one) => one.cohort === cohort.name);
  const structures = [...new Set(own.map((one) => one.structure))];
  const cells = new Map(own.map((one) => [one.structure + "\n" + one.subject, one]));
  const room = byId("strips").clientWidth - 200;
  const width = Math.max(4, Math.min(40, Math.floor(room / Math.max(1, cohort.queries.length)) - 1));
  const many = Math.max(20, Math.floor(room / (width + 1)));
  const bands = [];
  for (let first = 0; first < Math.max(1, cohort.queries.length); first += many) {
    bands.push(band(cohort.queries.slice(first, first + many), structures, cells, width));
  }
  return made("div", { class: "bands" + (bands.length > 1 ? " low" : ""), role: "group", "aria-label": "Every answer of " + cohort.name + ", a cell each" }, ...bands);
}
function band(queries, structures, cells, width) {
  const grid = made("div", { class: "strip" });
  grid.style.gridTemplateColumns = "fit-content(12rem) repeat(" + queries.length + ", " + width + "px)";
  grid.append(made("span", { class: "name soft" }, "scan itself"));
  for (const query of queries) {
    grid.append(made("span", { class: "scan " + query.status, title: query.subject + ": " + query.status + (query.findings ? "; " + query.findings : "") }));
  }
  for (const structure of structures) {
    grid.append(made("span", { class: "name", title: structure }, structure));
    for (const query of queries) {
      const one = cells.get(structure + "\n" + query.subject);
      const verdict = one && verdictOf(one);
      if (!verdict) { grid.append(made("span", { class: "none", title: query.subject + ": " + (one ? "no truth" : "not searched") })); continue; }
      grid.append(made("button", { class: verdict[0], title: inWords(one), "aria-label": inWords(one), tabindex: -1, onclick: () => goTo(one) },
        width >= 12 ? SIGNS[verdict[0]] : ""));
    }
  }
  return grid;
}
function strips() {
  byId("strips").replaceChildren(...data.cohorts.map(strip));
}
if (withTruth) {
  const select = made("select", { onchange: (event) => { colouring = event.target.value; strips(); } },
    made("option", { value: "doubt" }, "doubt"), made("option", { value: "error" }, "error"));
  byId("by-error").append(made("label", {}, "coloured by ", select));
}
strips();

// The list
const state = { search: "", structure: "", cohort: "", status: "", sort: "doubt" };
const FILTERS = {
  "": ["everything", () => true],
  look: ["WARN and FAIL", (one) => one.doubt[0] !== "PASS"],
  WARN: ["WARN", (one) => one.doubt[0] === "WARN"],
  FAIL: ["FAIL", (one) => one.doubt[0] === "FAIL"],
  PASS: ["PASS", (one) => one.doubt[0] === "PASS"],
  wrong: ["wrong by the truth", (one) => one.error && one.error[0] === "FAIL"],
  missed: ["PASS, yet wrong by the truth", (one) => one.error && one.error[0] === "FAIL" && one.doubt[0] === "PASS"],
};
const away = (change) => change === undefined ? -1 : Math.abs(Math.log(Math.max(change, 1e-6)));
const SORTS = {
  doubt: ["doubt", (a, b) => RANK[a.doubt[0]] - RANK[b.doubt[0]] || (b.doubtful ?? -1) - (a.doubtful ?? -1)],
  size: ["size change against the support", (a, b) => away(b.size_change) - away(a.size_change)],
  error: ["error", (a, b) => (a.error ? 0 : 1) - (b.error ? 0 : 1) || (a.iou ?? 1) - (b.iou ?? 1) || (b.off_mm ?? -1) - (a.off_mm ?? -1)],
  name: ["name", (a, b) => a.subject.localeCompare(b.subject) || a.structure.localeCompare(b.structure)],
};
function options(id, pairs) {
  byId(id).replaceChildren(...pairs.map(([value, words]) => made("option", { value }, words)));
}
const unique = (name) => [["", "all"], ...[...new Set(answers.map((one) => one[name]))].map((value) => [value, value])];
options("structure", unique("structure"));
options("cohort", unique("cohort"));
options("status", Object.entries(FILTERS).filter(([key]) => withTruth || !["wrong", "missed"].includes(key)).map(([key, [words]]) => [key, words]));
options("sort", Object.entries(SORTS).filter(([key]) => withTruth || key !== "error").map(([key, [words]]) => [key, words]));

let shown = [], drawn = 0;
function refresh() {
  const words = state.search.trim().toLowerCase();
  shown = answers.filter((one) =>
    (!words || one.subject.toLowerCase().includes(words)) && (!state.structure || one.structure === state.structure) &&
    (!state.cohort || one.cohort === state.cohort) && FILTERS[state.status][1](one)).sort(SORTS[state.sort][1]);
  byId("count").textContent = shown.length + " of " + answers.length + " answers";
  byId("list").replaceChildren();
  drawn = 0;
  more();
}
function more() {
  const next = shown.slice(drawn, drawn + BATCH);
  byId("list").append(...next.map(row));
  drawn += next.length;
}
for (const name of Object.keys(state)) {
  byId(name).addEventListener(name === "search" ? "input" : "change", (event) => { state[name] = event.target.value; refresh(); });
}
new IntersectionObserver((entries) => { if (entries.some((one) => one.isIntersecting) && drawn < shown.length) more(); }, { rootMargin: "800px" })
  .observe(byId("more"));
addEventListener("beforeprint", () => tabs.forEach((tab) => { byId(tab.getAttribute("aria-controls")).style.display = ""; }));
addEventListener("afterprint", () => show(tabs.find((tab) => tab.getAttribute("aria-selected") === "true")));

const digits = (value, count) => value.toFixed(count);
function facts(one) {
  const parts = [];
  // What is said as a reason for doubt is not said again.
  const unsaid = (words) => !one.doubt[1].includes(words);
  if (one.lost !== undefined && one.doubt[0] !== "FAIL" && unsaid("lost with")) parts.push("lost with " + digits(100 * one.lost, 0) + " %");
  if (one.within_90_mm !== undefined) parts.push("within " + digits(one.within_90_mm, 1) + " mm nine times in ten");
  if (one.shared !== undefined && unsaid("share")) parts.push("its supports' boxes share " + digits(100 * one.shared, 0) + " %");
  if (one.size_change !== undefined) parts.push(digits(one.size_change, 2) + " of the support's size");
  if (one.open_walls) parts.push("may go on beyond " + one.open_walls.join(", "));
  return parts.join(" · ");
}
function link(one) { return one.viewer ? one.viewer + "#" + encodeURIComponent(one.structure) : ""; }
function badge(verdict) { return made("span", { class: "badge " + verdict[0] }, SIGNS[verdict[0]] + " " + verdict[0]); }
function row(one) {
  const picture = one.picture
    ? made("img", { loading: "lazy", src: data.embedded[one.picture] || one.picture, width: 728, height: 240,
        alt: "Axial, coronal and sagittal plane of " + inWords(one) })
    : made("div", { class: "nothing" }, one.note || "There is nothing to show.");
  const open = link(one);
  return made("article", { class: "row", tabindex: -1, id: "answer-" + one.number, "data-open": open },
    made("div", {}, open ? made("a", { href: open, target: "viewer", tabindex: -1 }, picture) : picture),
    made("div", {},
      made("h3", {}, badge(one.doubt), " " + one.structure + " in " + one.subject),
      one.doubt[1] ? made("p", {}, one.doubt[1]) : null,
      made("p", { class: "soft" }, facts(one)),
      one.error ? made("p", {}, "Truth: ", badge(one.error), " " + one.error[1]) : null,
      data.cohorts.length > 1 ? made("p", { class: "soft" }, one.cohort) : null,
      open ? made("p", {}, made("a", { href: open, target: "viewer" }, "open in three dimensions")) : null));
}
function goTo(one) {
  Object.assign(state, { search: "", structure: "", cohort: "", status: "" });
  for (const name of Object.keys(state)) byId(name).value = state[name];
  refresh();
  while (drawn < shown.length && !byId("answer-" + one.number)) more();
  focus(byId("answer-" + one.number));
}
function focus(article) {
  if (!article) return;
  article.focus({ preventScroll: true });
  article.style.scrollMarginTop = document.querySelector(".tools").offsetHeight + 4 + "px";
  article.scrollIntoView({ block: "start" });
}
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(input|select|textarea)$/i.test(event.target.tagName)) return;
  if (byId("answers").style.display === "none") return;
  const rows = [...document.querySelectorAll(".row")], at = rows.indexOf(document.activeElement.closest(".row"));
  if (event.key === "j" || event.key === "k") {
    if (event.key === "j" && at + 1 >= rows.length) more();
    focus(byId("list").children[Math.max(0, at + (event.key === "j" ? 1 : -1))]);
  } else if (event.key === "Enter" && at >= 0 && document.activeElement === rows[at] && rows[at].dataset.open) {
    open(rows[at].dataset.open, "viewer");
  } else if (event.key === "/") {
    event.preventDefault();
    byId("search").focus();
  }
});
refresh();

// Tables: a click on a head sorts, a link saves as CSV
function value(cell) {
  const found = /-?\d[\d,]*\.?\d*/.exec(cell.textContent.replace(/(\d),(?=\d{3}\b)/g, "$1"));
  return found ? parseFloat(found[0]) : null;
}
function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const words = head.textContent;
    head.replaceChildren(made("button", { title: "sort", onclick: () => {
      const down = head.getAttribute("aria-sort") === "descending";
      [...table.tHead.rows[0].cells].forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      const numbers = rows.every((one) => value(one.cells[column]) !== null || !/[a-z]{3}/i.test(one.cells[column].textContent));
      rows.sort((a, b) => {
        const [one, other] = [a.cells[column], b.cells[column]];
        const order = numbers ? (value(one) ?? -Infinity) - (value(other) ?? -Infinity) : one.textContent.localeCompare(other.textContent);
        return down ? order : -order;
      });
      table.tBodies[0].append(...rows);
    } }, words || "·"));
  });
}
function csv(table) {
  const quoted = (text) => /[",\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  return [...table.rows].map((line) => [...line.cells].map((cell) => quoted(cell.textContent.trim())).join(",")).join("\n") + "\n";
}
function finish(table) {
  sortable(table);
  table.parentNode.after(made("p", { class: "soft no-print" }, made("button", { onclick: () => {
    const place = URL.createObjectURL(new Blob([csv(table)], { type: "text/csv" }));
    made("a", { href: place, download: table.dataset.name.replace(/[^\w.-]+/g, "_") + ".csv" }).click();
    setTimeout(() => URL.revokeObjectURL(place), 1000);
  } }, "save as CSV")));
}
document.querySelectorAll("table[data-name]").forEach(finish);

// pipeline_info/processes.js, which the run writes at its end, calls this.
function rprlocProcesses(rows) {
  const names = ["process", "tasks", "seconds", "longest task, s", "most memory, MB"];
  const table = made("table", { "data-name": "processes" },
    made("thead", {}, made("tr", {}, ...names.map((name) => made("th", {}, name)))),
    made("tbody", {}, ...rows.map((cells) => made("tr", {}, ...cells.map((cell) => made("td", {}, String(cell)))))));
  byId("processes").replaceChildren(made("div", { class: "wide" }, table));
  finish(table);
}
