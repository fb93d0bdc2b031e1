// Sorting, filters that rank the shown subset and live in the address, copying of tables, search and dark mode. The page is complete without this script. Tests and
// intervals are shown for whole boards only: p-values of subsets that were chosen by looking at results mean little.
(() => {
"use strict";
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const D = JSON.parse($("#data").textContent);
const MOST_MATRIX = 20, EACH = "each";
const FILTERS = ["protocol", "task", "modality", "ir", "metric", "rule", "strategy", "dataset"];

// Data --------------------------------------------------------------------------------------------------------------
const floats = text => new Float64Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const groups = new Map(D.groups.map(g => [g.protocol + "|" + g.task, g]));
const values = (group, i) => (group.decoded ??= [])[i] ??= floats(group.columns[i][2]);

// The competitors of a board: name, score on configuration i, and the cost that is ranked there (lower is better).
function competitors(group, metric, rule) {
  const k = group.strategies.length, sign = D.higher[metric] ? 1 : -1, target = D.target[metric], found = [];
  const cost = v => target === undefined ? -sign * v : Math.abs(v - target);
  group.columns.forEach(([m, r], c) => {
    if (m !== metric || (rule !== EACH && r !== rule)) return;
    const v = values(group, c);
    group.strategies.forEach((s, j) => {
      if (!group.complete[j] || group.repeated.includes(s)) return;
      const score = i => v[i * k + j];
      found.push({ name: rule === EACH && r !== "argmax" ? `${s}+${r}` : s, score, cost: i => cost(score(i)) });
    });
  });
  return found.filter(c => group.configurations.some((_, i) => group.inside[i] && !Number.isNaN(c.score(i))));
}

// Ranks, as in the report ----------------------------------------------------------------------------------------
const { absolute, relative } = D.tolerance;
const tied = (a, b) => !(Math.abs(a - b) > absolute + relative * Math.max(Math.abs(a), Math.abs(b)));
function rank(costs) {
  const k = costs.length, order = [...costs.keys()].sort((a, b) => costs[a] - costs[b]), ranks = new Float64Array(k);
  for (let start = 0, end; start < k; start = end) {
    for (end = start + 1; end < k && tied(costs[order[end]], costs[order[end - 1]]);) end++;
    for (let i = start; i < end; i++) ranks[order[i]] = (start + 1 + end) / 2;
  }
  return ranks;
}

// Leaderboard and win rates of a board show the same computation.
let cached = { key: "", found: new Map() };
function computed(el, state, key) {
  if (cached.key !== key) cached = { key, found: new Map() };
  const { protocol, task, metric, rule } = el.dataset, name = [protocol, task, metric, rule].join("|");
  if (!cached.found.has(name)) cached.found.set(name, compute(el, state));
  return cached.found.get(name);
}
// A board for the configurations and strategies that pass the filters.
function compute(el, state) {
  const { protocol, task, metric, rule } = el.dataset, group = groups.get(protocol + "|" + task);
  const shown = group.configurations.map((c, i) => i).filter(i => group.inside[i] && passes(group.configurations[i], state));
  const all = competitors(group, metric, rule), control = all.find(c => c.name === (el.dataset.control ?? "baseline"));
  const mine = all.filter(c => matches(c.name, state.strategy));
  // A configuration on which the metric is undefined for any competitor is not ranked, even if that one is hidden.
  const whole = shown.filter(i => all.every(c => !Number.isNaN(c.score(i))));
  const n = whole.length, ranks = whole.map(i => rank(mine.map(c => c.cost(i))));
  const mean = f => whole.reduce((sum, i, r) => sum + f(i, r), 0) / n;
  const won = (one, other) => whole.filter(i => !tied(one.cost(i), other.cost(i)) && one.cost(i) < other.cost(i)).length;
  const rows = mine.map((c, j) => ({
    name: c.name, c, isControl: c === control, average: mean((_, r) => ranks[r][j]), sum: ranks.reduce((s, r) => s + r[j], 0),
    mean: mean(i => c.score(i)), cost: mean(i => c.cost(i)), gain: control ? mean(i => control.cost(i) - c.cost(i)) : NaN,
    wins: control ? won(c, control) : 0, losses: control ? won(control, c) : 0,
  }));
  rows.sort((a, b) => (Math.abs(a.average - b.average) > 1e-9 ? a.average - b.average : 0) || a.cost - b.cost || (a.name < b.name ? -1 : 1));
  return { rows, n, k: mine.length, won, whole, left: shown.length - n,
    datasets: new Set(whole.map(i => group.configurations[i][4])).size };
}

// Text --------------------------------------------------------------------------------------------------------------
const escape = text => text.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
function number(v, digits, sign = false) {
  if (v === null || Number.isNaN(v)) return "–";
  const text = Math.abs(v).toFixed(digits);
  return Number(text) === 0 ? text : (v < 0 ? "−" : sign ? "+" : "") + text;
}
const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

// A row of the first screen: ranks and means of the shown subset; what is not made anew keeps its text.
function refill(row, heads, by, k) {
  const name = $("th", row).textContent;
  [...row.cells].forEach((cell, i) => {
    const { metric, rule } = heads[i].dataset, found = metric && by.get(metric + "|" + rule)?.get(name);
    if (!metric) return;
    cell.removeAttribute("title");
    if (!heads[i].classList.contains("rank")) { cell.textContent = number(found?.mean ?? NaN, 3); return; }
    cell.dataset.v = found ? found.average : "";
    cell.firstElementChild.textContent = number(found?.average ?? NaN, 2);
    $(".vh", cell)?.remove();
    const strip = $(".strip", cell), at = found ? (found.average - 1) / Math.max(k - 1, 1) * 100 : 0;
    if (strip) { strip.setAttribute("style", `--a:${at.toFixed(1)}`); strip.hidden = !found; }
  });
  return by.values().next().value.get(name)?.average;
}

// Views -------------------------------------------------------------------------------------------------------------
const VIEWS = {
  overview(el, b, state, key) {
    const table = $("table", el), heads = [...$("thead tr", table).cells], body = $("tbody", table), by = new Map();
    for (const { dataset: { metric, rule } } of heads) if (metric) {
      const of = { dataset: { ...el.dataset, metric, rule } }, found = computed(of, state, key);
      by.set(metric + "|" + rule, new Map(found.n ? found.rows.map(r => [r.name, r]) : []));
    }
    const rows = [...body.rows].map(row => ({ row, at: refill(row, heads, by, b.k) }));
    for (const { row, at } of rows) row.hidden = at === undefined;
    body.append(...rows.sort((one, other) => (one.at ?? 1e9) - (other.at ?? 1e9)).map(r => r.row));
    $(".recomputed", el).textContent = `Ranks and means of the ${counted(b.n, "configuration")} of ${counted(b.datasets, "dataset")} that the filters show, ` +
      "without intervals. The sentence, seconds, fallback and checks are those of the whole board; references are hidden.";
    for (const part of $$(".whole", el)) part.hidden = true;
  },
  ranked(el, b) {
    const table = $("table", el), control = el.dataset.control, share = r => ((r - 1) / Math.max(b.k - 1, 1) * 100).toFixed(1);
    $("tbody", table).innerHTML = !b.n ? "" : b.rows.map((r, i) =>
      `<tr><td class="n">${i + 1}</td><th scope="row">${escape(r.name)}</th><td class="n">${number(r.average, 2)}</td>` +
      `<td class="n i"></td><td class="rank-plot"><i class="strip s${D.colours[r.name] ?? 0}" style="--a:${share(r.average)}"></i></td><td class="n">${+r.sum.toFixed(1)}</td>` +
      `<td class="n">${number(r.mean, 4)}</td>` +
      (control ? `<td class="n">${r.isControl ? "–" : number(r.gain, 4, true)}</td><td class="n i"></td>` +
        `<td class="n">${r.isControl ? "–" : `${r.wins}–${b.n - r.wins - r.losses}–${r.losses}`}</td>` : "") +
      `<td class="n">–</td></tr>`).join("");
    $(".recomputed", el).textContent = `Ranked on the ${counted(b.n, "configuration")} of ${counted(b.datasets, "dataset")} that the filters show` +
      (b.left ? `; the metric is undefined on ${b.left} more` : "") +
      ". Tests and intervals are shown for the whole board only.";
    for (const part of $$(".whole", el)) part.hidden = true;
  },
  cd(el) {
    $(".draw", el).innerHTML = "<p class=basis>Critical differences are shown for the whole board only. Reset the filters to see them.</p>";
  },
  wins(el, b) {
    const rows = b.rows.slice(0, MOST_MATRIX), table = $("table", el);
    $("thead tr", table).innerHTML = "<td></td>" + rows.map(r => `<th scope="col" title="${escape(r.name)}"><span>${escape(r.name)}</span></th>`).join("");
    $("tbody", table).innerHTML = rows.map(r => `<tr><th scope="row">${escape(r.name)}</th>` + rows.map(o => {
      if (r === o || !b.n) return '<td class="n">–</td>';
      const percent = Math.round(100 * (b.won(r.c, o.c) + b.n - b.won(o.c, r.c)) / (2 * b.n));
      return `<td class="n" style="--w:${percent}">${percent}</td>`;
    }).join("") + "</tr>").join("");
    $(".basis", el).textContent = `Percentage of the ${counted(b.n, "configuration")} that the filters show; a tie counts half.`;
  },
};

// Copying -----------------------------------------------------------------------------------------------------------
// Several columns of the page have no text, such as plots; empty columns are not copied.
function cells(table) {
  const text = cell => (cell.innerText === undefined ? cell.textContent : cell.textContent).replace(/\s+/g, " ").trim();
  const rows = [...table.rows].filter(row => !row.hidden && !row.parentNode.hidden && row.cells.length > 1).map(row => [...row.cells].map(text));
  const kept = rows[0].map((_, i) => rows.some(row => row[i]));
  return rows.map(row => row.filter((_, i) => kept[i]));
}
const SPECIAL = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "−": "\\textminus{}", "–": "--", "±": "\\textpm{}",
  "×": "\\texttimes{}", "<": "\\textless{}", ">": "\\textgreater{}", "✓": "yes", "✗": "failed", "²": "\\textsuperscript{2}" };
const COPY = {
  Markdown(rows) {
    const line = row => "| " + row.map(c => c.replace(/\|/g, "\\|").replace(/<(?=[a-z/!?])/gi, "&lt;")).join(" | ") + " |";
    return [line(rows[0]), line(rows[0].map((_, i) => i ? "---:" : "---")), ...rows.slice(1).map(line)].join("\n") + "\n";
  },
  LaTeX(rows) {
    const tex = c => c.replace(/[\\~^−–±×<>✓✗²]/g, m => SPECIAL[m]).replace(/[&%$#_]/g, "\\$&");
    const line = row => row.map(c => c.split(/([{}])/).map(p => p === "{" || p === "}" ? "\\" + p : tex(p)).join("")).join(" & ") + " \\\\";
    return ["\\begin{tabular}{l" + "r".repeat(rows[0].length - 1) + "}", "\\toprule", line(rows[0]), "\\midrule", ...rows.slice(1).map(line),
      "\\bottomrule", "\\end{tabular}", ""].join("\n");
  },
};
async function copy(button) {
  const table = $("table", button.closest(".files").previousElementSibling);
  const text = COPY[button.dataset.copy](cells(table)), before = button.textContent;
  try { await navigator.clipboard.writeText(text); } catch { // pages opened from disk may not have a clipboard
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text; area.select(); document.execCommand("copy"); area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1200);
}
function add_copy_buttons() {
  for (const files of $$(".files")) if (!$("button", files))
    for (const kind of Object.keys(COPY)) {
      const button = files.appendChild(document.createElement("button"));
      Object.assign(button, { type: "button", textContent: `Copy ${kind}` });
      button.dataset.copy = kind;
    }
}

// Filters -----------------------------------------------------------------------------------------------------------
const terms = text => text.toLowerCase().split(/[\s,]+/).filter(Boolean);
const matches = (name, wanted) => !wanted.length || wanted.some(term => name.toLowerCase().includes(term));
const passes = ([dataset, variant, ir, modality], state) =>
  (!state.ir || ir === state.ir) && (!state.modality || modality === state.modality) && matches(`${dataset} ${variant}`, state.dataset);
add_copy_buttons();
const boards = $$(".board").map(el => {
  const kind = Object.keys(VIEWS).find(name => el.classList.contains(name) || $("table." + name, el));
  return { el, kind, original: kind ? el.innerHTML : "", shows: "" };
});
const boardOf = new Map(boards.map(b => [b.el, b]));

function read() {
  const state = {};
  for (const name of FILTERS) state[name] = $("#f-" + name)?.value ?? "";
  state.strategy = terms(state.strategy);
  state.dataset = terms(state.dataset);
  return state;
}
function chosen({ protocol, task, metric, rule, leading }, state) {
  if ((state.protocol && protocol !== state.protocol) || (state.task && task !== state.task)) return false;
  if (!state.metric && !state.rule) return true;
  if (state.metric ? metric !== state.metric : !D.leading.includes(metric)) return false;
  return state.rule ? rule === state.rule : rule === D.rule || rule === EACH;
}
function update() {
  const state = read(), subset = Boolean(state.modality || state.ir || state.dataset.length || state.strategy.length);
  const picked = Boolean(state.metric || state.rule);
  // The first screen shows all its metrics, whichever is chosen.
  for (const { el, kind } of boards) el.hidden = !chosen(el.dataset, kind === "overview" ? { ...state, metric: "", rule: "" } : state);
  for (const el of $$("details.others")) {
    const visible = $$(".board", el).some(b => !b.hidden);
    el.hidden = !visible;
    el.open = picked && visible;
  }
  for (const el of $$(".dataset, .verdicts article, #evidence article"))
    el.hidden = Boolean((state.protocol && el.dataset.protocol !== state.protocol) || (state.task && el.dataset.task !== state.task));
  for (const el of $$(".stale")) el.hidden = !subset;
  for (const table of $$("table.scores")) {
    const { protocol, task } = table.closest("details").dataset, group = groups.get(protocol + "|" + task);
    for (const row of $$("tbody tr", table)) row.hidden = !passes(group.configurations[row.dataset.i], state);
  }
  const key = subset ? JSON.stringify([state.modality, state.ir, state.dataset, state.strategy]) : "";
  for (const board of boards) if (board.kind && !board.el.hidden) show(board, state, key);
  const every = D.groups.filter(g => (!state.protocol || g.protocol === state.protocol) && (!state.task || g.task === state.task))
    .flatMap(g => g.configurations);
  const count = every.filter(c => passes(c, state)).length;
  $("#shown").textContent = subset ? `${count} of ${every.length} configurations; ranks, means, gains and wins use only these` : "";
}
function show(board, state, key) {
  const folded = board.el.closest("details.others");
  if (board.shows === key || (folded && !folded.open)) return;
  if (board.shows) {
    board.el.innerHTML = board.original;
    board.el.dataset.recomputed = "";
  }
  board.shows = key;
  if (!key || ($("table", board.el) ?? $(".draw", board.el)) === null) return;
  const result = computed(board.el, state, key);
  board.el.dataset.recomputed = "1";
  VIEWS[board.kind](board.el, result, state, key);
}

// The filters live in the fragment of the address, so that a reload, a bookmark and a shared link keep them:
// #task=binary&strategy=remix&section=cd. A fragment without "=" is a section alone.
function write(section) {
  const fragment = new URLSearchParams();
  for (const name of FILTERS) if ($("#f-" + name)?.value) fragment.set(name, $("#f-" + name).value);
  section ??= fragmentOf().get("section");
  if (section && !fragment.size) return history.replaceState(null, "", "#" + section);
  if (section) fragment.set("section", section);
  history.replaceState(null, "", fragment.size ? "#" + fragment : location.pathname + location.search);
}
function fragmentOf() {
  const text = location.hash.slice(1);
  return text.includes("=") || !text ? new URLSearchParams(text) : new URLSearchParams({ section: decodeURIComponent(text) });
}
function restore() {
  const fragment = fragmentOf(), section = fragment.get("section");
  if (location.hash.includes("=") || !location.hash)
    for (const name of FILTERS) {
      const control = $("#f-" + name), value = fragment.get(name) ?? "";
      if (control) control.value = control.tagName !== "SELECT" || [...control.options].some(o => o.value === value) ? value : "";
    }
  update();
  if (section) document.getElementById(section)?.scrollIntoView();
}

// Sorting -----------------------------------------------------------------------------------------------------------
function key(cell) {
  const text = cell.dataset.v ?? cell.textContent.trim(), value = parseFloat(text.replace("−", "-").replace(/^< /, "").replace(/^\+/, ""));
  return text === "" || text === "–" ? null : Number.isNaN(value) || /^[a-z]/i.test(text) ? text.toLowerCase() : value;
}
function sort(button) {
  const header = button.closest("th"), table = button.closest("table"), body = $("tbody", table);
  // The first click sorts the best first, the next click reverses the order.
  const column = [...header.parentNode.children].indexOf(header), sorted = header.getAttribute("aria-sort");
  const up = sorted ? sorted !== "ascending" : header.dataset.best !== "high";
  for (const th of $$("th[aria-sort]", table)) th.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = [...body.rows].map((row, i) => ({ row, i, value: key(row.cells[column]) }));
  rows.sort((a, b) => {
    if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.i - b.i; // undefined last
    const less = typeof a.value === typeof b.value ? a.value < b.value : typeof a.value === "number";
    return a.value === b.value ? a.i - b.i : less === up ? -1 : 1;
  });
  body.append(...rows.map(r => r.row));
}

// Dark mode ---------------------------------------------------------------------------------------------------------
const root = document.documentElement, theme = $("#theme"), system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
const remember = { get: () => { try { return localStorage.getItem("imbench-theme"); } catch { return null; } },
  set: value => { try { localStorage.setItem("imbench-theme", value); } catch { /* storage may be blocked for pages opened from disk */ } } };
const label_theme_button = () => { theme.textContent = isDark() ? "Light" : "Dark"; theme.title = `Switch to ${isDark() ? "light" : "dark"} mode`; };

// Start -------------------------------------------------------------------------------------------------------------
const form = $("#filters");
form.hidden = false;
const changed = () => { update(); write(); };
form.addEventListener("input", changed);
form.addEventListener("submit", event => event.preventDefault());
form.addEventListener("reset", () => setTimeout(changed));
document.addEventListener("click", event => {
  const button = event.target.closest("button.sort");
  if (button) sort(button);
  if (event.target.dataset?.copy) copy(event.target);
  const link = event.target.closest('a[href^="#"]');
  if (link && FILTERS.some(name => $("#f-" + name)?.value)) {
    event.preventDefault();
    write(link.getAttribute("href").slice(1));
    document.getElementById(link.getAttribute("href").slice(1))?.scrollIntoView();
  }
});
addEventListener("hashchange", restore);
document.addEventListener("toggle", event => {
  if (event.target.matches?.("details.others[open]")) update_folded(event.target);
}, true);
function update_folded(details) {
  const state = read(), subset = state.modality || state.ir || state.dataset.length || state.strategy.length;
  const subset_key = subset ? JSON.stringify([state.modality, state.ir, state.dataset, state.strategy]) : "";
  for (const el of $$(".board", details)) if (boardOf.get(el).kind && !el.hidden) show(boardOf.get(el), state, subset_key);
}
document.addEventListener("keydown", event => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); $("#f-strategy").focus(); }
  if (event.key === "Escape") event.target.blur?.();
});
const kept = remember.get();
if (kept === "dark" || kept === "light") root.dataset.theme = kept;
label_theme_button();
system.addEventListener("change", label_theme_button);
theme.addEventListener("click", () => { remember.set(root.dataset.theme = isDark() ? "light" : "dark"); label_theme_button(); });
if (location.hash.includes("=")) restore();
})();
