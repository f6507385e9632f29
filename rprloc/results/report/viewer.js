// A scan's crop in three planes and as a body, and the support's beside it. Each scan is a file that calls rprloc(record):
// the first is the query, the second the support. Names from a sheet, a header or a label become text alone.
const FOUND = "#e69f00", TRUE = "#56b4e9", CURSOR = "#7CFC9A";
const PLANES = [
  { name: "axial", across: 0, along: 1, through: 2, up: false },
  { name: "coronal", across: 0, along: 2, through: 1, up: true },
  { name: "sagittal", across: 1, along: 2, through: 0, up: true },
];
const WINDOWS = { "soft tissue": [-160, 240], bone: [-450, 1050], lung: [-1350, 150], brain: [0, 80] };
const records = [], scans = [];
const state = { structure: 0, box: true, outline: true, truth: true, points: true, zoom: 1, turn: [0.5, -0.3] };

function rprloc(record) { records.push(record); }

// Places: voxels (i, j, k) of the crop and mm, LPS
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
function inverse(m) {
  const [[a, b, c], [d, e, f], [g, h, i]] = m, n = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [[(e * i - f * h) / n, (c * h - b * i) / n, (b * f - c * e) / n],
    [(f * g - d * i) / n, (a * i - c * g) / n, (c * d - a * f) / n],
    [(d * h - e * g) / n, (b * g - a * h) / n, (a * e - b * d) / n]];
}

class Scan {
  constructor(record, role) {
    Object.assign(this, record, { role, back: inverse(record.axes_mm) });
    this.spacing = [0, 1, 2].map((axis) => Math.hypot(...record.axes_mm.map((line) => line[axis])));
    this.cursor = record.size.map((n) => (n - 1) / 2);
    this.level = (record.window[0] + record.window[1]) / 2;
    this.width = record.window[1] - record.window[0];
    this.grey = Array.from({ length: 256 }, (_, byte) => this.valueOf(byte));
  }
  valueOf(byte) {
    const knots = this.knots;
    let n = 1;
    while (n < knots.length - 1 && byte > knots[n][1]) n++;
    const [[low, from], [high, to]] = [knots[n - 1], knots[n]];
    return low + (high - low) * (byte - from) / (to - from);
  }
  mm(voxel) { return [0, 1, 2].map((axis) => dot(this.axes_mm[axis], voxel) + this.origin_mm[axis]); }
  voxel(mm) {
    const moved = mm.map((value, axis) => value - this.origin_mm[axis]);
    return this.back.map((line) => dot(line, moved));
  }
  at(i, j, k) { const [x, y] = this.size; return i + x * (j + y * k); }
  get centre() { return this.cursor.map((value, axis) => Math.max(0, Math.min(this.size[axis] - 1, Math.round(value)))); }
  get value() { return this.grey[this.bytes[this.at(...this.centre)]]; }
  structure(name) { return this.structures.find((one) => one.name === name); }
  box(one) { return one && ((this.role === "query" && one.found && one.found.box_mm) || (one.true && one.true.box_mm)); }
  async load() {
    this.bytes = await unpacked(this.values, this.size, this.columns);
    this.bits = await Promise.all(this.outlines.map((one) => unpacked(one, this.size, this.columns)));
  }
  inside(number) {
    const bytes = this.bits[number >> 3], bit = 1 << (number & 7);
    return (voxel) => (bytes[voxel] & bit) !== 0;
  }
}

async function unpacked(uri, [x, y, z], columns) {
  const picture = new Image();
  picture.src = uri;
  await picture.decode();
  const canvas = made("canvas", { width: picture.width, height: picture.height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0);
  const flat = pen.getImageData(0, 0, picture.width, picture.height).data, bytes = new Uint8Array(x * y * z);
  for (let k = 0; k < z; k++) {
    const left = (k % columns) * x, top = Math.floor(k / columns) * y;
    for (let j = 0; j < y; j++) {
      const row = 4 * ((top + j) * picture.width + left);
      for (let i = 0; i < x; i++) bytes[i + x * (j + y * k)] = flat[row + 4 * i];
    }
  }
  return bytes;
}

// What a plane cuts of a box along the LPS axes: its corners in voxels, in order
function section(scan, box, plane, number) {
  const corners = [...Array(8).keys()].map((n) => scan.voxel([0, 1, 2].map((axis) => box[(n >> axis) & 1][axis]))), cut = [];
  for (let a = 0; a < 8; a++) for (const bit of [1, 2, 4]) {
    const b = a | bit, one = corners[a], other = corners[b];
    if (a === b || (one[plane.through] - number) * (other[plane.through] - number) > 0) continue;
    const way = other[plane.through] - one[plane.through];
    if (way === 0) cut.push(one, other);
    else cut.push(one.map((value, axis) => value + (other[axis] - value) * (number - one[plane.through]) / way));
  }
  const middle = [plane.across, plane.along].map((axis) => cut.reduce((sum, one) => sum + one[axis], 0) / cut.length);
  const angle = (one) => Math.atan2(one[plane.along] - middle[1], one[plane.across] - middle[0]);
  return cut.length < 3 ? [] : cut.sort((a, b) => angle(a) - angle(b));
}

class Panel {
  constructor(scan, plane) {
    Object.assign(this, { scan, plane });
    this.canvas = made("canvas", { tabindex: 0, role: "img", "aria-label": plane.name + " plane of " + scan.subject });
    this.canvas.addEventListener("pointerdown", (event) => { this.canvas.setPointerCapture(event.pointerId); this.point(event); });
    this.canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) this.point(event); });
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey) zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
      else this.step(event.deltaY > 0 ? 1 : -1);
    }, { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }
  // Pixels a mm and the middle: the crop fits at a zoom of 1; closer the plane follows the cursor.
  get scale() {
    const [w, h] = [this.plane.across, this.plane.along].map((axis) => this.scan.size[axis] * this.scan.spacing[axis]);
    return this.canvas.width / Math.max(w, h) * state.zoom;
  }
  get middle() {
    return this.scan.size.map((n, axis) => state.zoom > 1 ? this.scan.centre[axis] : (n - 1) / 2);
  }
  pixel(voxel) {
    const { across, along, up } = this.plane, { spacing } = this.scan, middle = this.middle;
    const moved = (axis) => (voxel[axis] - middle[axis]) * spacing[axis] * this.scale;
    return [this.canvas.width / 2 + moved(across), this.canvas.height / 2 + (up ? -1 : 1) * moved(along)];
  }
  point(event) {
    const edge = this.canvas.getBoundingClientRect(), ratio = this.canvas.width / edge.width;
    const { across, along, up } = this.plane, { spacing } = this.scan, middle = this.middle, cursor = [...this.scan.cursor];
    cursor[across] = middle[across] + ((event.clientX - edge.left) * ratio - this.canvas.width / 2) / (spacing[across] * this.scale);
    cursor[along] = middle[along] + (up ? -1 : 1) * ((event.clientY - edge.top) * ratio - this.canvas.height / 2) / (spacing[along] * this.scale);
    moveTo(this.scan, cursor);
  }
  step(count, axis = this.plane.through) {
    const cursor = [...this.scan.cursor];
    cursor[axis] += count;
    moveTo(this.scan, cursor);
  }
  key(event) {
    const { across, along, up, through } = this.plane;
    const ways = { ArrowLeft: [across, -1], ArrowRight: [across, 1], ArrowUp: [along, up ? 1 : -1], ArrowDown: [along, up ? -1 : 1],
      PageUp: [through, 1], PageDown: [through, -1] };
    if (!ways[event.key]) return;
    event.preventDefault();
    this.step(ways[event.key][1], ways[event.key][0]);
  }
  draw() {
    const side = Math.round(this.canvas.clientWidth * (devicePixelRatio || 1));
    if (this.canvas.width !== side || this.canvas.height !== side) { this.canvas.width = side; this.canvas.height = side; }
    const pen = this.canvas.getContext("2d"), { scan, plane } = this, number = scan.centre[plane.through];
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, side, side);
    this.slice(pen, number);
    const one = scan.structure(current());
    if (one) {
      if (scan.role === "query") this.mark(pen, one.found, one.found_outline, FOUND, [6, 4], number);
      if (state.truth || scan.role === "support") this.mark(pen, one.true, one.true_outline, TRUE, [], number);
    }
    this.cross(pen);
    this.letters(pen);
  }
  slice(pen, number) {
    const { scan, plane } = this, [w, h] = [scan.size[plane.across], scan.size[plane.along]];
    const flat = made("canvas", { width: w, height: h }), own = flat.getContext("2d"), pixels = own.createImageData(w, h);
    const low = scan.level - scan.width / 2, place = [0, 0, 0];
    place[plane.through] = number;
    for (let row = 0, n = 0; row < h; row++) for (let column = 0; column < w; column++, n += 4) {
      place[plane.across] = column;
      place[plane.along] = plane.up ? h - 1 - row : row;
      const shade = 255 * (scan.grey[scan.bytes[scan.at(...place)]] - low) / scan.width;
      pixels.data[n] = pixels.data[n + 1] = pixels.data[n + 2] = shade;
      pixels.data[n + 3] = 255;
    }
    own.putImageData(pixels, 0, 0);
    const [left, top] = this.pixel([-0.5, -0.5, -0.5]), [right, bottom] = this.pixel(scan.size.map((n) => n - 0.5));
    pen.imageSmoothingEnabled = true;
    pen.drawImage(flat, Math.min(left, right), Math.min(top, bottom), Math.abs(right - left), Math.abs(bottom - top));
  }
  mark(pen, told, outline, colour, dashes, number) {
    const thick = devicePixelRatio || 1;
    pen.strokeStyle = colour;
    if (state.outline && outline !== undefined) {
      pen.lineWidth = 1.5 * thick;
      pen.setLineDash([]);
      pen.stroke(this.contour(this.scan.inside(outline), number));
    }
    if (!told) return;
    if (state.box && told.box_mm) {
      pen.lineWidth = 2 * thick;
      pen.setLineDash(dashes.map((length) => length * thick));
      const corners = section(this.scan, told.box_mm, this.plane, number).map((corner) => this.pixel(corner));
      if (corners.length) {
        pen.beginPath();
        corners.forEach(([x, y], n) => n ? pen.lineTo(x, y) : pen.moveTo(x, y));
        pen.closePath();
        pen.stroke();
      }
    }
    pen.setLineDash([]);
    if (state.points && told.points_mm) for (const mm of Object.values(told.points_mm)) {
      const voxel = this.scan.voxel(mm);
      if (Math.abs(voxel[this.plane.through] - number) > 1) continue;
      const [x, y] = this.pixel(voxel), size = 5 * thick;
      pen.beginPath();
      pen.moveTo(x - size, y - size); pen.lineTo(x + size, y + size); pen.moveTo(x + size, y - size); pen.lineTo(x - size, y + size);
      pen.stroke();
    }
  }
  // The edges between voxels inside and outside
  contour(inside, number) {
    const { scan, plane } = this, path = new Path2D(), [w, h] = [scan.size[plane.across], scan.size[plane.along]], place = [0, 0, 0];
    place[plane.through] = number;
    const is = (u, v) => {
      if (u < 0 || v < 0 || u >= w || v >= h) return false;
      place[plane.across] = u; place[plane.along] = v;
      return inside(scan.at(...place));
    };
    const edge = (u, v, otherU, otherV) => {
      const [one, other] = [[u, v], [otherU, otherV]].map(([a, b]) => { const voxel = [0, 0, 0]; voxel[plane.across] = a; voxel[plane.along] = b; return this.pixel(voxel); });
      path.moveTo(...one); path.lineTo(...other);
    };
    for (let v = 0; v <= h; v++) for (let u = 0; u <= w; u++) {
      if (is(u, v) !== is(u - 1, v)) edge(u - 0.5, v - 0.5, u - 0.5, v + 0.5);
      if (is(u, v) !== is(u, v - 1)) edge(u - 0.5, v - 0.5, u + 0.5, v - 0.5);
    }
    return path;
  }
  cross(pen) {
    const [x, y] = this.pixel(this.scan.centre), gap = 12 * (devicePixelRatio || 1), { width, height } = this.canvas;
    pen.strokeStyle = CURSOR;
    pen.lineWidth = devicePixelRatio || 1;
    pen.globalAlpha = 0.7;
    pen.beginPath();
    for (const [a, b, c, d] of [[0, y, x - gap, y], [x + gap, y, width, y], [x, 0, x, y - gap], [x, y + gap, x, height]]) { pen.moveTo(a, b); pen.lineTo(c, d); }
    pen.stroke();
    pen.globalAlpha = 1;
  }
  letters(pen) {
    const size = 14 * (devicePixelRatio || 1), { width, height } = this.canvas, [left, right, top, bottom] = this.scan.sides[this.plane.name];
    pen.font = "600 " + size + "px system-ui, sans-serif";
    pen.lineWidth = 3;
    pen.strokeStyle = "#000";
    pen.fillStyle = "#fff";
    for (const [text, x, y, align, line] of [[left, 5, height / 2, "left", "middle"], [right, width - 5, height / 2, "right", "middle"],
      [top, width / 2, 4, "center", "top"], [bottom, width / 2, height - 4, "center", "bottom"]]) {
      pen.textAlign = align; pen.textBaseline = line;
      pen.strokeText(text, x, y);
      pen.fillText(text, x, y);
    }
  }
}

// The outlines' surfaces and the boxes, turned by dragging
class Solid {
  constructor(scan) {
    this.scan = scan;
    this.canvas = made("canvas", { class: "solid", tabindex: 0, role: "img", "aria-label": "outline and box of " + scan.subject + " in space; drag or use the arrow keys to turn" });
    this.canvas.addEventListener("pointerdown", (event) => this.canvas.setPointerCapture(event.pointerId));
    this.canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) this.turn(event.movementX / 120, event.movementY / 120); });
    this.canvas.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
      if (way) { event.preventDefault(); this.turn(...way); }
    });
  }
  turn(right, down) {
    state.turn = [state.turn[0] + right, Math.max(-1.5, Math.min(1.5, state.turn[1] + down))];
    later();
  }
  surface(number) {
    this.known = this.known || new Map();
    if (!this.known.has(number)) {
      const { scan } = this, inside = scan.inside(number), found = [], [x, y, z] = scan.size;
      for (let k = 0; k < z; k++) for (let j = 0; j < y; j++) for (let i = 0; i < x; i++) {
        const voxel = scan.at(i, j, k);
        if (!inside(voxel)) continue;
        const edge = i === 0 || j === 0 || k === 0 || i === x - 1 || j === y - 1 || k === z - 1;
        if (edge || !inside(voxel - 1) || !inside(voxel + 1) || !inside(voxel - x) || !inside(voxel + x) || !inside(voxel - x * y) || !inside(voxel + x * y)) {
          found.push(scan.mm([i, j, k]));
        }
      }
      const every = Math.ceil(found.length / 20000);
      this.known.set(number, found.filter((_, n) => n % every === 0));
    }
    return this.known.get(number);
  }
  draw() {
    const side = Math.round(this.canvas.clientWidth * (devicePixelRatio || 1));
    this.canvas.width = side; this.canvas.height = side;
    const pen = this.canvas.getContext("2d"), { scan } = this, one = scan.structure(current());
    const boxes = !one ? [] : [[scan.role === "query" && one.found, FOUND, one.found_outline, [6, 4]],
      [(state.truth || scan.role === "support") && one.true, TRUE, one.true_outline, []]].filter(([told]) => told && told.box_mm);
    if (!boxes.length) return;
    const [low, high] = [0, 1].map((end) => [0, 1, 2].map((axis) => Math[end ? "max" : "min"](...boxes.map(([told]) => told.box_mm[end][axis]))));
    const middle = low.map((value, axis) => (value + high[axis]) / 2);
    const scale = 0.9 * side / Math.max(20, Math.hypot(...high.map((value, axis) => value - low[axis])));
    const [a, b] = state.turn, [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
    // Seen from the front: left to the right, superior above, posterior away.
    const seen = (mm) => {
      const [x, y, z] = mm.map((value, axis) => value - middle[axis]), [u, v] = [ca * x + sa * y, -sa * x + ca * y];
      return [side / 2 + scale * u, side / 2 - scale * (cb * z + sb * v), cb * v - sb * z];
    };
    for (const [told, colour, outline, dashes] of boxes) {
      if (state.outline && scan.role in { query: 1, support: 1 } && outline !== undefined) {
        pen.fillStyle = colour;
        const dot = Math.max(2, 0.6 * scale * Math.min(...scan.spacing));
        for (const mm of this.surface(outline)) {
          const [x, y, far] = seen(mm);
          pen.globalAlpha = Math.max(0.08, Math.min(0.9, 0.5 - far * scale / side));
          pen.fillRect(x - dot / 2, y - dot / 2, dot, dot);
        }
        pen.globalAlpha = 1;
      }
      pen.strokeStyle = colour;
      pen.lineWidth = 1.5 * (devicePixelRatio || 1);
      if (state.points && told.points_mm) for (const mm of Object.values(told.points_mm)) {
        const [x, y] = seen(mm), size = 4 * (devicePixelRatio || 1);
        pen.beginPath();
        pen.moveTo(x - size, y - size); pen.lineTo(x + size, y + size); pen.moveTo(x + size, y - size); pen.lineTo(x - size, y + size);
        pen.stroke();
      }
      if (!state.box || !told.box_mm) continue;
      pen.setLineDash(dashes);
      pen.beginPath();
      for (let n = 0; n < 8; n++) for (const bit of [1, 2, 4]) if (!(n & bit)) {
        const [start, end] = [n, n | bit].map((m) => seen([0, 1, 2].map((axis) => told.box_mm[(m >> axis) & 1][axis])));
        pen.moveTo(start[0], start[1]); pen.lineTo(end[0], end[1]);
      }
      pen.stroke();
      pen.setLineDash([]);
    }
    pen.font = "600 " + 13 * (devicePixelRatio || 1) + "px system-ui, sans-serif";
    pen.fillStyle = "#fff";
    pen.textAlign = "center"; pen.textBaseline = "middle";
    ["RL", "AP", "IS"].forEach((letters, axis) => [low, high].forEach((end, number) => {
      const face = [...middle];
      face[axis] = end[axis] + (number ? 4 : -4);
      pen.fillText(letters[number], ...seen(face).slice(0, 2));
    }));
  }
}

const current = () => names[state.structure];
let names = [], panels = [], waiting = false;
function later() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; panels.forEach((one) => one.draw()); tell(); });
}
function kept(scan, cursor) { scan.cursor = cursor.map((value, axis) => Math.max(0, Math.min(scan.size[axis] - 1, value))); }
// The other scan's cursor goes to the same part of its own box.
function moveTo(scan, cursor) {
  kept(scan, cursor);
  const own = scan.box(scan.structure(current()));
  for (const other of scans) {
    const box = other !== scan && other.box(other.structure(current()));
    if (!own || !box) continue;
    const mm = scan.mm(scan.cursor).map((value, axis) => {
      const side = own[1][axis] - own[0][axis];
      return side > 0 ? box[0][axis] + (value - own[0][axis]) / side * (box[1][axis] - box[0][axis]) : box[0][axis] + value - own[0][axis];
    });
    kept(other, other.voxel(mm));
  }
  later();
}
function choose(number) {
  state.structure = number;
  for (const scan of scans) {
    const box = scan.box(scan.structure(current()));
    if (box) kept(scan, scan.voxel(box[0].map((value, axis) => (value + box[1][axis]) / 2)));
    // So close that its box takes half of the plane.
    if (box && scan === scans[0]) {
      const whole = Math.max(...scan.size.map((n, axis) => n * scan.spacing[axis]));
      state.zoom = Math.max(1, Math.min(6, whole / (2 * Math.max(20, ...box[0].map((value, axis) => box[1][axis] - value)))));
    }
  }
  later();
}
function zoom(factor) { state.zoom = Math.max(1, Math.min(12, state.zoom * factor)); later(); }

function about(scan) {
  const one = scan.structure(current()), told = one && one.found, parts = [];
  if (scan.role === "support") return "annotated: this is what was shown";
  if (!told) return one && one.true ? "annotated" : "not looked for";
  if (told.failed) return "no answer: " + (told.reason || "no reason was written");
  if (told.lost !== null) parts.push("lost with " + (100 * told.lost).toFixed(0) + " %");
  if (told.within_90_mm) {
    const all = Object.values(told.within_90_mm);
    parts.push("within " + (all.reduce((sum, mm) => sum + mm, 0) / all.length).toFixed(1) + " mm nine times in ten");
  }
  if (told.open_walls.length) parts.push("may go on beyond " + told.open_walls.join(", "));
  return parts.join(" · ") || "found";
}
function tell() {
  for (const scan of scans) {
    const mm = scan.mm(scan.centre), unit = scan.modality === "ct" ? " HU" : "";
    scan.told.textContent = "x " + mm[0].toFixed(1) + ", y " + mm[1].toFixed(1) + ", z " + mm[2].toFixed(1) + " mm (LPS); value " +
      (scan.exact ? "" : "about ") + scan.value.toFixed(0) + unit;
    scan.told.dataset.value = scan.value;
    scan.told.dataset.mm = mm.join(" ");
    scan.said.textContent = about(scan);
  }
}
function slider(words, min, max, get, set) {
  const input = made("input", { type: "range", min, max, step: (max - min) / 500, oninput: () => { scans.forEach((scan) => set(scan, Number(input.value))); later(); } });
  input.value = get(scans[0]);
  return made("label", {}, words, input);
}
function box(words, name) {
  const input = made("input", { type: "checkbox", onchange: () => { state[name] = input.checked; later(); } });
  input.checked = state[name];
  return made("label", {}, input, words);
}
function tools() {
  const ends = scans[0].knots, [low, high] = scans[0].modality === "ct" ? [-1000, 2000] : [ends[0][0], ends[ends.length - 1][0]];
  const select = made("select", { id: "structure", onchange: () => choose(Number(select.value)) }, ...names.map((name, number) => made("option", { value: number }, name)));
  select.value = state.structure;
  const level = slider("level", low, high, (scan) => scan.level, (scan, value) => { scan.level = value; });
  const width = slider("width", Math.max(1, (high - low) / 300), high - low, (scan) => scan.width, (scan, value) => { scan.width = value; });
  const presets = Object.entries(scans[0].modality === "ct" ? WINDOWS : {}).map(([name, [from, to]]) => made("button", { onclick: () => {
    for (const scan of scans) { scan.level = (from + to) / 2; scan.width = to - from; }
    level.lastChild.value = (from + to) / 2; width.lastChild.value = to - from;
    later();
  } }, name));
  return made("div", { class: "tools" }, made("label", {}, "structure", select), level, width, ...presets,
    box("outline", "outline"), box("box", "box"), box("landmarks", "points"), box("truth", "truth"),
    made("button", { onclick: () => zoom(1.4), "aria-label": "closer" }, "+"), made("button", { onclick: () => zoom(1 / 1.4), "aria-label": "farther" }, "−"),
    made("button", { onclick: () => choose(state.structure) }, "middle"));
}
function part(scan) {
  scan.told = made("p", { class: "soft told", role: "status" });
  scan.said = made("p", {});
  const own = [...PLANES.map((plane) => new Panel(scan, plane)), new Solid(scan)];
  panels.push(...own);
  const words = scan.role === "query" ? [made("span", { class: "found" }, "found"), ", ", made("span", { class: "true" }, "true")] : [made("span", { class: "true" }, "annotated")];
  return made("section", { "data-role": scan.role }, made("h2", {}, (scan.role === "query" ? "Query " : "Support ") + scan.subject + " — ", ...words),
    scan.said, made("div", { class: "planes" }, ...own.map((one) => one.canvas)), scan.told);
}
async function start() {
  records.slice(0, 2).forEach((record, number) => scans.push(new Scan(record, number ? "support" : "query")));
  if (!scans.length) { document.body.append(made("p", {}, "This scan's file is not beside this page: expected it in the folder viewer of the results.")); return; }
  await Promise.all(scans.map((scan) => scan.load()));
  names = scans[0].structures.map((one) => one.name);
  const asked = names.indexOf(decodeURIComponent(location.hash.slice(1)));
  state.structure = Math.max(0, asked);
  document.body.append(made("h1", {}, scans[0].subject + ", " + scans[0].cohort), tools(), ...scans.map(part),
    made("p", { class: "soft" }, "Click or drag moves the cursor, the wheel and PageUp and PageDown the plane, arrows the cursor by a voxel; Ctrl and the wheel, or + and −, zoom; n and p go to the next and the last structure. The support's cursor follows to the same part of its own box."));
  choose(state.structure);
  addEventListener("resize", later);
  addEventListener("hashchange", () => { const number = names.indexOf(decodeURIComponent(location.hash.slice(1))); if (number >= 0) { byChoice(number); } });
  addEventListener("keydown", (event) => {
    if (/^(input|select)$/i.test(event.target.tagName) || event.ctrlKey || event.metaKey) return;
    const step = { n: 1, p: -1 }[event.key];
    if (step) byChoice((state.structure + step + names.length) % names.length);
    if (event.key === "+") zoom(1.4);
    if (event.key === "-") zoom(1 / 1.4);
  });
  document.body.dataset.ready = "yes";
}
function byChoice(number) { document.getElementById("structure").value = number; choose(number); }
addEventListener("load", () => start().catch((error) => document.body.append(made("p", {}, "The viewer cannot show this scan: " + error.message))));
