// Sorting, filters with everything ranked anew for the subset shown, search and dark mode. The page is whole without it.
(() => {
"use strict";
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const D = JSON.parse($("#data").textContent);
const TIE = 1e-12, DRAWS = 1000, MOST_MATRIX = 20, MOST_CD = 20, EVERY = "every rule";
const FILTERS = ["protocol", "task", "modality", "ir", "metric", "rule", "strategy", "dataset"];

// Data --------------------------------------------------------------------------------------------------------------
const floats = text => new Float64Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const groups = new Map(D.groups.map(g => [g.protocol + "|" + g.task, g]));
const values = (group, i) => (group.decoded ??= [])[i] ??= floats(group.columns[i][2]);

// The competitors of a board: name, and score of configuration i.
function competitors(group, metric, rule) {
  const k = group.strategies.length, found = [];
  group.columns.forEach(([m, r], c) => {
    if (m !== metric || (rule !== EVERY && r !== rule)) return;
    const v = values(group, c);
    group.strategies.forEach((s, j) =>
      found.push({ name: rule === EVERY && r !== "argmax" ? `${s} + ${r}` : s, score: i => v[i * k + j] }));
  });
  return found;
}

// Statistics, as the report's own -----------------------------------------------------------------------------------
function rank(costs) {
  const k = costs.length, order = [...costs.keys()].sort((a, b) => costs[a] - costs[b]), ranks = new Float64Array(k);
  for (let start = 0, end; start < k; start = end) {
    for (end = start + 1; end < k && !(costs[order[end]] - costs[order[end - 1]] > TIE);) end++;
    for (let i = start; i < end; i++) ranks[order[i]] = (start + 1 + end) / 2;
  }
  return ranks;
}
function logGamma(x) {
  const c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5];
  let sum = 1.000000000190015, y = x;
  for (const v of c) sum += v / ++y;
  return (x + 0.5) * Math.log(x + 5.5) - (x + 5.5) + Math.log(2.5066282746310005 * sum / x);
}
// Upper tail of χ² with df degrees of freedom: series and continued fraction of the incomplete gamma function.
function chi2Tail(x, df) {
  const a = df / 2, z = x / 2;
  if (!(z > 0)) return 1;
  const front = Math.exp(-z + a * Math.log(z) - logGamma(a));
  if (z < a + 1) {
    let term = 1 / a, sum = term;
    for (let n = 1; n < 1000 && term > sum * 1e-15; n++) sum += term *= z / (a + n);
    return 1 - sum * front;
  }
  let b = z + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (let i = 1; i < 1000; i++) {
    const n = -i * (i - a);
    b += 2;
    d = 1 / (n * d + b);
    c = b + n / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * h;
}
// Upper tail of F with a and b degrees of freedom: the continued fraction of the incomplete beta function.
function fTail(f, a, b) {
  if (f === Infinity) return 0;
  return f > 0 ? incompleteBeta(b / (b + a * f), b / 2, a / 2) : 1;
}
function incompleteBeta(x, a, b) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  let c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), h = d;
  for (let m = 1; m < 5000; m++) {
    for (const n of [m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))]) {
      d = 1 / (1 + n * d);
      c = 1 + n / c;
      h *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return front * h;
}
// Lower tail of the standard normal, from the incomplete gamma function.
const normalTail = z => (z < 0 ? 0.5 * chi2Tail(z * z, 1) : 1 - 0.5 * chi2Tail(z * z, 1));
// P(W ≤ w) for n untied differences, counted.
const exactTails = [Float64Array.of(1)];
function exactTail(w, n) {
  while (exactTails.length <= n) {
    const m = exactTails.length, before = exactTails[m - 1], now = new Float64Array(m * (m + 1) / 2 + 1);
    for (let i = 0; i < now.length; i++) now[i] = ((before[i] ?? 0) + (before[i - m] ?? 0)) / 2;
    exactTails.push(now);
  }
  return exactTails[n].subarray(0, Math.floor(w) + 1).reduce((s, p) => s + p, 0);
}
// Two-sided p of Wilcoxon's signed-rank test: zeros dropped, exact for at most 25 differences without ties.
function wilcoxon(gaps) {
  const kept = gaps.filter(g => Math.abs(g) > TIE), n = kept.length;
  if (!n) return 1;
  const ranks = rank(kept.map(Math.abs)), sizes = new Map();
  let plus = 0;
  kept.forEach((g, i) => { if (g > 0) plus += ranks[i]; sizes.set(ranks[i], (sizes.get(ranks[i]) ?? 0) + 1); });
  const w = Math.min(plus, n * (n + 1) / 2 - plus);
  if (n <= 25 && sizes.size === n) return Math.min(1, 2 * exactTail(w, n));
  let ties = 0;
  for (const t of sizes.values()) ties += t ** 3 - t;
  return Math.min(1, 2 * normalTail((w - n * (n + 1) / 4) / Math.sqrt(n * (n + 1) * (2 * n + 1) / 24 - ties / 48)));
}
// Holm's correction over all pairs, as text of each strategy's pair with the best.
function holm(ps) {
  const order = [...ps.keys()].sort((a, b) => ps[a] - ps[b]), out = new Float64Array(ps.length);
  let most = 0;
  order.forEach((at, i) => out[at] = most = Math.min(1, Math.max(most, ps[at] * (ps.length - i))));
  return out;
}
// Friedman's χ² with the correction for ties, Iman and Davenport's F, and their p-values.
function friedman(ranks, k) {
  const n = ranks.length, sums = new Float64Array(k);
  let squares = 0;
  for (const r of ranks) for (let j = 0; j < k; j++) { sums[j] += r[j]; squares += r[j] * r[j]; }
  const ties = 2 * n * k * (k + 1) * (2 * k + 1) - 12 * squares, most = n * k * (k * k - 1);
  if (n < 2 || k < 2 || ties >= most) return { chi2: NaN, p: NaN, f: NaN, fp: NaN };
  const spread = sums.reduce((s, r) => s + (r - n * (k + 1) / 2) ** 2, 0);
  const chi2 = 12 * spread / (n * k * (k + 1)) / (1 - ties / most), short = n * (k - 1) - chi2;
  const f = short <= 1e-12 * n * (k - 1) ? Infinity : (n - 1) * chi2 / short;
  return { chi2, p: chi2Tail(chi2, k - 1), f, fp: fTail(f, k - 1, (k - 1) * (n - 1)) };
}
// Means over the configurations of each dataset, as blocks.
function byDataset(whole, datasets, mine) {
  const sums = new Map();
  whole.forEach((i, r) => {
    const of = sums.get(datasets[r]) ?? sums.set(datasets[r], { n: 0, total: new Float64Array(mine.length) }).get(datasets[r]);
    of.n++;
    mine.forEach((c, j) => of.total[j] += c.score(i));
  });
  return [...sums.values()].map(({ n, total }) => total.map(v => v / n));
}
function random(seed) { // mulberry32: the same subset shows the same interval
  return () => {
    seed = seed + 0x6D2B79F5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}
function quantile(sorted, q) {
  const at = q * (sorted.length - 1), low = Math.floor(at), high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}
// Bootstrap intervals of column means of rows, whole datasets drawn.
function intervals(rows, datasets, k) {
  const names = [...new Set(datasets)], n = names.length, none = Array.from({ length: k }, () => [NaN, NaN]);
  if (n < 2) return none;
  const sums = names.map(() => new Float64Array(k)), sizes = new Float64Array(n);
  rows.forEach((row, i) => {
    const d = names.indexOf(datasets[i]);
    sizes[d]++;
    for (let j = 0; j < k; j++) sums[d][j] += row[j];
  });
  const next = random(1), draws = Array.from({ length: k }, () => new Float64Array(DRAWS)), total = new Float64Array(k);
  for (let b = 0; b < DRAWS; b++) {
    total.fill(0);
    let size = 0;
    for (let i = 0; i < n; i++) {
      const d = Math.floor(next() * n), sum = sums[d];
      size += sizes[d];
      for (let j = 0; j < k; j++) total[j] += sum[j];
    }
    for (let j = 0; j < k; j++) draws[j][b] = total[j] / size;
  }
  const tail = D.tails[n];
  return draws.map(d => [quantile(d.sort(), tail), quantile(d, 1 - tail)]);
}

// Leaderboard, diagram and win rates of one board are views of one computation.
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
  const shown = group.configurations.map((c, i) => i).filter(i => passes(group.configurations[i], state));
  const all = competitors(group, metric, rule), control = all.find(c => c.name === (el.dataset.control ?? "baseline"));
  const mine = all.filter(c => matches(c.name, state.strategy) && shown.some(i => !Number.isNaN(c.score(i))));
  const whole = shown.filter(i => mine.every(c => !Number.isNaN(c.score(i))));
  const sign = D.higher[metric] ? 1 : -1, k = mine.length, n = whole.length;
  const datasets = whole.map(i => group.configurations[i][0]);
  const ranks = whole.map(i => rank(mine.map(c => -sign * c.score(i))));
  const gains = whole.map(i => mine.map(c => control ? sign * (c.score(i) - control.score(i)) : NaN));
  const rankEnds = intervals(ranks, datasets, k), gainEnds = intervals(gains, datasets, k);
  const mean = f => whole.reduce((sum, i, r) => sum + f(i, r), 0) / n;
  const rows = mine.map((c, j) => ({
    name: c.name, c, isControl: c === control, average: mean((_, r) => ranks[r][j]), sum: ranks.reduce((s, r) => s + r[j], 0),
    low: rankEnds[j][0], high: rankEnds[j][1], mean: mean(i => c.score(i)), gain: mean((_, r) => gains[r][j]),
    gainLow: gainEnds[j][0], gainHigh: gainEnds[j][1],
    wins: gains.filter(g => g[j] > TIE).length, losses: gains.filter(g => g[j] < -TIE).length,
  }));
  rows.sort((a, b) => a.average - b.average || sign * (b.mean - a.mean) || (a.name < b.name ? -1 : 1));
  const cd = n > 1 && k > 1 ? D.q[k] * Math.sqrt(k * (k + 1) / (6 * n)) : NaN;
  const blocks = byDataset(whole, datasets, mine);
  return { rows, n, k, cd, ...friedman(ranks, k), datasets: blocks.length, left: shown.length - n, whole, sign,
    above: blocks.length < n ? friedman(blocks.map(b => rank([...b].map(v => -sign * v))), k) : null };
}
// Every strategy's p against the best, corrected over all pairs of the subset. Those of many strategies take seconds: a
// slice of SLICE ms at a time, with the page at hand in between, until `told` has them or the board shows something else.
const SLICE = 20;
function toBest(el, b, told) {
  const mark = el.dataset.pending = String(Math.random()), ps = [];
  const scores = b.rows.map(r => Float64Array.from(b.whole, i => r.c.score(i)));
  let i = 0, j = 1;
  const go = () => {
    if (el.dataset.pending !== mark) return;
    const end = performance.now() + SLICE;
    while (j < b.k) {
      ps.push(wilcoxon(Array.from(scores[i], (v, at) => v - scores[j][at])));
      if (++j === b.k) j = ++i + 1;
      if (performance.now() > end) return void setTimeout(go);
    }
    told([NaN, ...holm(ps).slice(0, Math.max(b.k - 1, 0))]);
  };
  go();
}

// Text --------------------------------------------------------------------------------------------------------------
const escape = text => text.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
function number(v, digits, sign = false) {
  if (v === null || Number.isNaN(v)) return "–";
  const text = Math.abs(v).toFixed(digits);
  return Number(text) === 0 ? text : (v < 0 ? "−" : sign ? "+" : "") + text;
}
const span = (low, high, digits, sign) => Number.isNaN(low) ? "" : `${number(low, digits, sign)} to ${number(high, digits, sign)}`;
const pSaid = p => p < 1e-4 ? "p < .0001" : `p = ${p.toFixed(p < 1e-3 ? 4 : 3).replace(/^0/, "")}`;
const pShown = p => Number.isNaN(p) ? "–" : p > 0.9995 ? "1" : pSaid(p).replace(/^p (= )?/, "");
const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

// Views -------------------------------------------------------------------------------------------------------------
const VIEWS = {
  ranked(el, b) {
    const table = $("table", el), control = el.dataset.control, share = r => ((r - 1) / Math.max(b.k - 1, 1) * 100).toFixed(1);
    $("tbody", table).innerHTML = !b.n ? "" : b.rows.map((r, i) =>
      `<tr><td class="n">${i + 1}</td><th scope="row">${escape(r.name)}</th><td class="n">${number(r.average, 2)}</td>` +
      `<td class="n i">${span(r.low, r.high, 2)}</td><td class="strip"><i style="--a:${share(r.average)};` +
      `${Number.isNaN(r.low) ? "" : `--l:${share(r.low)};--h:${share(r.high)}`}"></i></td><td class="n">${+r.sum.toFixed(1)}</td>` +
      `<td class="n">${number(r.mean, 4)}</td>` +
      (control ? `<td class="n">${r.isControl ? "–" : number(r.gain, 4, true)}</td>` +
        `<td class="n i">${r.isControl ? "" : span(r.gainLow, r.gainHigh, 3, true)}</td>` +
        `<td class="n">${r.isControl ? "–" : `${r.wins}–${b.n - r.wins - r.losses}–${r.losses}`}</td>` : "") +
      `<td class="n">…</td></tr>`).join("");
    $(".recomputed", el).textContent = `Ranked anew over ${counted(b.n, "configuration")} of ${counted(b.datasets, "dataset")}` +
      (b.left ? `; ${b.left} lack some strategy` : "") + ". " +
      (Number.isNaN(b.chi2) ? "No Friedman test is possible." : `Friedman χ² = ${number(b.chi2, 2)}, ${pSaid(b.p)}; ` +
        `Iman–Davenport F = ${b.f === Infinity ? "∞" : number(b.f, 2)}, ${pSaid(b.fp)}; Nemenyi CD ${number(b.cd, 2)}.` +
        (b.above && !Number.isNaN(b.above.chi2) ? ` With datasets as blocks: Friedman ${pSaid(b.above.p)}.` : "") +
        " All p-values of Friedman's test are asymptotic here.");
    for (const part of $$(".whole", el)) part.hidden = true;
    toBest(el, b, ps => ps.forEach((p, i) => {
      const cell = $("tbody", table).rows[i]?.lastElementChild;
      if (!cell) return;
      cell.textContent = pShown(p);
      cell.classList.toggle("apart", p < D.alpha);
    }));
  },
  cd(el, b) {
    $(".draw", el).innerHTML = Number.isNaN(b.chi2) ? "<p class=basis>No test is possible for this subset.</p>" : diagram(b);
  },
  wins(el, b) {
    const rows = b.rows.slice(0, MOST_MATRIX), table = $("table", el);
    $("thead tr", table).innerHTML = "<td></td>" + rows.map(r => `<th scope="col">${escape(r.name)}</th>`).join("");
    $("tbody", table).innerHTML = rows.map(r => `<tr><th scope="row">${escape(r.name)}</th>` + rows.map(o => {
      if (r === o || !b.n) return '<td class="n">–</td>';
      const won = b.whole.reduce((s, i) => {
        const gap = b.sign * (r.c.score(i) - o.c.score(i));
        return s + (gap > TIE ? 1 : gap < -TIE ? 0 : 0.5);
      }, 0), percent = Math.round(100 * won / b.n);
      return `<td class="n" style="--w:${percent}">${percent}</td>`;
    }).join("") + "</tr>").join("");
    $(".basis", el).textContent = `Percent of ${counted(b.n, "configuration")} of the subset shown; a tie is half a win.`;
  },
};

// The critical-difference diagram, drawn as the report draws it.
function diagram(b) {
  const rows = b.rows.slice(0, MOST_CD), TOP = 58, most = Math.max(2, Math.ceil(Math.max(...rows.map(r => r.average))));
  const label = Math.max(...rows.map(r => 0.58 * 12 * (r.name.length + 7))), left = label + 24;
  const W = Math.max(520, 2 * left + 220), right = W - left;
  const x = r => left + (r - 1) / (most - 1) * (right - left), out = [];
  const line = (points, ink, width = 1) => out.push(`<path class="l c-${ink}" d="M${points.map(p => p.map(v => v.toFixed(1)).join(" ")).join("L")}" stroke-width="${width}"/>`);
  const text = (at, y, words, anchor, ink = "text") => out.push(`<text class="f c-${ink}" x="${at.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escape(words)}</text>`);
  line([[x(1), TOP], [x(most), TOP]], "text", 1.2);
  for (let t = 1, every = Math.max(1, Math.ceil((most - 1) / 12)); t <= most; t += every) {
    line([[x(t), TOP], [x(t), TOP - 5]], "text", 1.2);
    text(x(t), TOP - 9, String(t), "middle", "muted");
  }
  const end = Math.min(x(1 + b.cd), W - 70);
  line([[x(1), 16], [end, 16]], "text", 1.6);
  for (const at of [x(1), end]) line([[at, 12], [at, 20]], "text", 1.6);
  text(end + 8, 20, `CD ${number(b.cd, 2)}`, "start");
  let y = TOP + 10, reach = 0;
  rows.forEach((row, i) => {
    let last = i;
    // At least the critical difference apart is different.
    while (last + 1 < rows.length && rows[last + 1].average - row.average < b.cd) last++;
    if (last > i && last > reach) {
      line([[x(row.average) - 3, y], [x(rows[last].average) + 3, y]], "text", 4);
      y += 8;
    }
    reach = Math.max(reach, last);
  });
  const half = Math.ceil(rows.length / 2);
  rows.forEach((r, i) => {
    const onLeft = i < half, at = y + 16 + 17 * (onLeft ? i : rows.length - 1 - i), side = onLeft ? x(1) - 14 : x(most) + 14;
    line([[x(r.average), TOP], [x(r.average), at], [side, at]], "muted");
    text(side + (onLeft ? -5 : 5), at + 4, onLeft ? `${r.name}  ${number(r.average, 2)}` : `${number(r.average, 2)}  ${r.name}`, onLeft ? "end" : "start");
  });
  const said = rows.map(r => `${r.name} ${number(r.average, 2)}`).join("; ");
  return `<svg class="figure" width="${W}" height="${y + 24 + 17 * half}" viewBox="0 0 ${W} ${y + 24 + 17 * half}" role="img" aria-label="${escape(`Average ranks over ${counted(b.n, "configuration")}: ${said}; critical difference ${number(b.cd, 2)}.`)}">${out.join("")}</svg>`;
}

// Filters -----------------------------------------------------------------------------------------------------------
const terms = text => text.toLowerCase().split(/[\s,]+/).filter(Boolean);
const matches = (name, wanted) => !wanted.length || wanted.some(term => name.toLowerCase().includes(term));
const passes = ([dataset, variant, ir, modality], state) =>
  (!state.ir || ir === state.ir) && (!state.modality || modality === state.modality) && matches(`${dataset} ${variant}`, state.dataset);
const boards = $$(".board").map(el => {
  const kind = Object.keys(VIEWS).find(name => el.classList.contains(name) || $("table." + name, el));
  return { el, kind, printed: kind ? el.innerHTML : "", shows: "" };
});
const printed = new Map(boards.map(b => [b.el, b]));

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
  if (state.metric ? metric !== state.metric : !D.headline.includes(metric)) return false;
  return state.rule ? rule === state.rule : rule === D.rule || rule === EVERY;
}
function update() {
  const state = read(), subset = Boolean(state.modality || state.ir || state.dataset.length || state.strategy.length);
  const picked = Boolean(state.metric || state.rule);
  for (const { el } of boards) el.hidden = !chosen(el.dataset, state);
  for (const el of $$("details.others")) {
    const visible = $$(".board", el).some(b => !b.hidden);
    el.hidden = !visible;
    el.open = picked && visible;
  }
  for (const el of $$(".dataset, .verdicts article"))
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
  $("#shown").textContent = subset ? `${count} of ${every.length} configurations; everything ranked is ranked anew` : "";
}
function show(board, state, key) {
  const folded = board.el.closest("details.others");
  if (board.shows === key || (folded && !folded.open)) return;
  if (board.shows) {
    board.el.innerHTML = board.printed;
    board.el.dataset.recomputed = "";
  }
  board.shows = key;
  delete board.el.dataset.pending;
  if (!key || ($("table", board.el) ?? $(".draw", board.el)) === null) return;
  const result = computed(board.el, state, key);
  board.el.dataset.recomputed = "1";
  VIEWS[board.kind](board.el, result);
}

// Sorting -----------------------------------------------------------------------------------------------------------
function key(cell) {
  const text = cell.dataset.v ?? cell.textContent.trim(), value = parseFloat(text.replace("−", "-").replace(/^< /, "").replace(/^\+/, ""));
  return text === "" || text === "–" ? null : Number.isNaN(value) || /^[a-z]/i.test(text) ? text.toLowerCase() : value;
}
function sort(button) {
  const header = button.closest("th"), table = button.closest("table"), body = $("tbody", table);
  const column = [...header.parentNode.children].indexOf(header), up = header.getAttribute("aria-sort") !== "ascending";
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
  set: value => { try { localStorage.setItem("imbench-theme", value); } catch { /* a page from disk may keep nothing */ } } };
const tell = () => { theme.textContent = isDark() ? "Light" : "Dark"; theme.title = `Turn the page ${isDark() ? "light" : "dark"}`; };

// What a page's own statistics are, for those who check them.
window.imbench = { chi2Tail, fTail, wilcoxon, holm };

// Start -------------------------------------------------------------------------------------------------------------
const form = $("#filters");
form.hidden = false;
form.addEventListener("input", update);
form.addEventListener("submit", event => event.preventDefault());
form.addEventListener("reset", () => setTimeout(update));
document.addEventListener("click", event => {
  const button = event.target.closest("button.sort");
  if (button) sort(button);
});
document.addEventListener("toggle", event => {
  if (event.target.matches?.("details.others[open]")) update_folded(event.target);
}, true);
function update_folded(details) {
  const state = read(), subset = state.modality || state.ir || state.dataset.length || state.strategy.length;
  const what = subset ? JSON.stringify([state.modality, state.ir, state.dataset, state.strategy]) : "";
  for (const el of $$(".board", details)) if (printed.get(el).kind && !el.hidden) show(printed.get(el), state, what);
}
document.addEventListener("keydown", event => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); $("#f-strategy").focus(); }
  if (event.key === "Escape") event.target.blur?.();
});
const kept = remember.get();
if (kept === "dark" || kept === "light") root.dataset.theme = kept;
tell();
system.addEventListener("change", tell);
theme.addEventListener("click", () => { remember.set(root.dataset.theme = isDark() ? "light" : "dark"); tell(); });
if (FILTERS.some(name => $("#f-" + name)?.value)) update(); // a browser that fills forms in again after going back
})();
