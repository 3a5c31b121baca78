// Draws a fit: objective, relevance, residual, maps and spectra of the components, and
// lets one choose pixels and channels by dragging. All data come from the Python side as
// bytes; nothing is loaded from anywhere.

const DASHES = [[], [6, 3], [6, 3, 1.5, 3], [1.5, 2.5]];

function floats(view) {
  return new Float32Array(
    view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function make(parent, tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function figure(parent, title, width, height) {
  const box = make(parent, "figure", "sd-figure");
  const caption = make(box, "figcaption", "", title);
  const canvas = make(box, "canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  return { box, caption, canvas, width, height };
}

function context(fig, el) {
  const ratio = window.devicePixelRatio || 1;
  fig.canvas.width = fig.width * ratio;
  fig.canvas.height = fig.height * ratio;
  const c = fig.canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, fig.width, fig.height);
  const colour = getComputedStyle(el).color;
  c.strokeStyle = c.fillStyle = colour;
  c.font = "11px sans-serif";
  c.lineWidth = 1;
  return c;
}

function image(canvas, maps, index, lut) {
  const { width, height } = maps;
  canvas.width = width;
  canvas.height = height;
  const c = canvas.getContext("2d");
  const pixels = c.createImageData(width, height);
  const data = bytes(maps.data), size = width * height, colours = bytes(lut);
  for (let i = 0; i < size; i++) {
    const level = data[index * size + i];
    const at = 3 * level;
    pixels.data[4 * i] = colours[at];
    pixels.data[4 * i + 1] = colours[at + 1];
    pixels.data[4 * i + 2] = colours[at + 2];
    pixels.data[4 * i + 3] = level ? 255 : 40;
  }
  c.putImageData(pixels, 0, 0);
}

function shape(canvas, maps, edge) {
  // A line scan of one row is drawn as a strip.
  const scale = edge / Math.max(maps.width, maps.height);
  canvas.style.width = `${Math.max(maps.width * scale, 12)}px`;
  canvas.style.height = `${Math.max(maps.height * scale, 12)}px`;
}

function short(value) {
  const size = Math.abs(value);
  if (size && (size >= 1e5 || size < 1e-3)) return value.toExponential(2);
  return String(Number(value.toPrecision(5)));
}

function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
  const found = [];
  for (let t = Math.ceil(low / step) * step; t <= high + 1e-9 * step; t += step) {
    found.push(Math.abs(t) < 1e-9 * step ? 0 : t);
  }
  return found;
}

function axisBelow(c, fig, values, label, left, right, bottom) {
  const low = values[0], high = values[values.length - 1];
  const place = (v) => left + ((v - low) / (high - low || 1)) * (right - left);
  c.globalAlpha = 0.6;
  c.beginPath();
  c.moveTo(left, bottom);
  c.lineTo(right, bottom);
  c.stroke();
  c.globalAlpha = 1;
  c.textAlign = "center";
  const [from, to] = low < high ? [low, high] : [high, low];
  if (to > from) {
    for (const t of ticks(from, to, 6)) {
      c.beginPath();
      c.moveTo(place(t), bottom);
      c.lineTo(place(t), bottom + 3);
      c.stroke();
      c.fillText(short(t), place(t), bottom + 14);
    }
  }
  c.textAlign = "right";
  c.fillText(label, right, bottom + 27);
  return place;
}

function lines(c, data, points, index, left, right, top, bottom, low) {
  // Values between `low` and 1; NaN leaves a gap.
  c.beginPath();
  let drawing = false;
  for (let i = 0; i < points; i++) {
    const value = data[index * points + i];
    if (!Number.isFinite(value)) { drawing = false; continue; }
    const x = left + ((right - left) * i) / Math.max(points - 1, 1);
    const y = bottom - ((bottom - top) * (value - low)) / (1 - low);
    if (drawing) c.lineTo(x, y); else c.moveTo(x, y);
    drawing = true;
  }
  c.stroke();
}

function drag(canvas, ended, moved) {
  let start = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const clip = (v) => Math.min(Math.max(v, 0), 1);
    return [clip((event.clientX - box.left) / box.width),
      clip((event.clientY - box.top) / box.height)];
  };
  canvas.addEventListener("pointerdown", (event) => {
    start = place(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (start) moved(start, place(event));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (start) ended(start, place(event));
    start = null;
  });
}

function render({ model, el }) {
  const root = make(el, "div", "sd-live");
  const where = make(root, "div", "sd-row");
  const region = figure(where, "Pixels: drag a rectangle", 190, 190);
  const span = figure(where, "Channels: drag a range of the mean spectrum", 520, 160);
  where.hidden = true;

  const course = make(root, "div", "sd-row");
  const objective = figure(course, "Log of the objective", 330, 130);
  const relevance = figure(course, "Relevance", 200, 130);
  const residual = figure(course, "Residual", 130, 130);
  residual.box.hidden = true;
  course.hidden = true;

  const maps = make(root, "div", "sd-maps");
  maps.setAttribute("role", "group");
  maps.setAttribute("aria-label", "Maps of the components");
  const spectra = figure(root, "Spectra, each divided by its largest value", 760, 230);
  spectra.box.hidden = true;
  const kept = make(root, "div", "sd-kept");
  kept.hidden = true;

  const code = make(root, "div", "sd-code");
  const copy = make(code, "button", "sd-button", "Copy code");
  copy.type = "button";
  copy.title = "Copy the lines that do the same in a script";
  const copied = make(code, "span", "sd-note");
  copied.setAttribute("role", "status");
  copy.addEventListener("click", async () => {
    const text = model.get("code");
    try {
      await navigator.clipboard.writeText(text);
      copied.textContent = "copied";
    } catch {
      const area = make(code, "textarea");
      area.value = text;
      area.select();
      copied.textContent = document.execCommand("copy") ? "copied" : "could not copy";
      area.remove();
    }
  });

  let drawn = 0, queued = false;

  const colourOf = (i) => {
    const colours = model.get("colours");
    return colours[i % colours.length];
  };
  const nameOf = (i) => model.get("names")[i] ?? `component ${i}`;
  const isShown = (i) => model.get("shown")[i] ?? true;

  function drawObjective(frame) {
    const c = context(objective, el);
    const curve = frame.curve;
    const iteration = frame.iteration;
    if (!curve || !curve.phases.length) return;
    const x = floats(curve.x), y = floats(curve.y);
    const left = 6, right = objective.width - 6, top = 18, bottom = objective.height - 6;
    const first = x[0], last = x[x.length - 1];
    const at = (v) => left + ((right - left) * (v - first)) / (last - first || 1);
    curve.phases.forEach(([index, name], p) => {
      const end = p + 1 < curve.phases.length ? curve.phases[p + 1][0] : x.length;
      c.strokeStyle = colourOf(p);
      c.lineWidth = 1.6;
      c.beginPath();
      for (let i = index; i < end; i++) {
        const v = bottom - (bottom - top) * y[i];
        if (i === index) c.moveTo(at(x[i]), v); else c.lineTo(at(x[i]), v);
      }
      if (end === index + 1) c.arc(at(x[index]), bottom - (bottom - top) * y[index], 2, 0, 7);
      c.stroke();
      c.fillStyle = colourOf(p);
      c.textAlign = at(x[index]) > right - 90 ? "right" : "left";
      c.fillText(name, c.textAlign === "right" ? right : at(x[index]), 11 + 11 * (p % 2));
    });
    const [, name, from, to] = curve.phases[curve.phases.length - 1];
    const count = iteration ? `, iteration ${iteration}` : "";
    objective.caption.textContent = `Log of the objective${count}: ${name} ${short(to)}`;
    objective.canvas.setAttribute("aria-label",
      `Objective in the phase ${name}, from ${short(from)} to ${short(to)}`);
  }

  function drawRelevance(frame) {
    const values = frame.relevance || [];
    const c = context(relevance, el);
    const top = 4, bottom = relevance.height - 16;
    const most = Math.max(...values, 1e-300);
    const width = Math.min(relevance.width / Math.max(values.length, 1), 40);
    values.forEach((value, i) => {
      const height = Math.max(((bottom - top) * Math.max(value, 0)) / most, 1);
      c.fillStyle = colourOf(i);
      c.globalAlpha = isShown(i) ? 1 : 0.25;
      c.fillRect(i * width + 2, bottom - height, width - 4, height);
      c.globalAlpha = 1;
      c.fillStyle = getComputedStyle(el).color;
      c.textAlign = "center";
      c.fillText(String(i), (i + 0.5) * width, bottom + 12);
    });
    const title = frame.relevance_name || "relevance";
    relevance.caption.textContent = title[0].toUpperCase() + title.slice(1);
    const spoken = values.map((value, i) => `${nameOf(i)} ${short(value)}`).join(", ");
    relevance.canvas.setAttribute("aria-label", `${title}: ${spoken}`);
  }

  function drawMaps(frame) {
    const count = frame.n ?? 0;
    while (maps.children.length > count) maps.lastChild.remove();
    while (maps.children.length < count) {
      const i = maps.children.length;
      const button = make(maps, "button", "sd-map");
      button.type = "button";
      make(button, "canvas");
      make(button, "span");
      button.addEventListener("click", () => {
        model.set("selected", model.get("selected") === i ? -1 : i);
        model.save_changes();
      });
    }
    const edge = count > 6 ? 92 : 120;
    [...maps.children].forEach((button, i) => {
      const [canvas, label] = button.children;
      if (frame.maps && bytes(frame.maps.data).length
          >= (i + 1) * frame.maps.width * frame.maps.height) {
        image(canvas, frame.maps, i, model.get("lut"));
        shape(canvas, frame.maps, edge);
      }
      label.textContent = nameOf(i);
      button.style.borderColor = colourOf(i);
      button.classList.toggle("sd-hidden", !isShown(i));
      const chosen = model.get("selected") === i;
      button.classList.toggle("sd-chosen", chosen);
      button.setAttribute("aria-pressed", String(chosen));
      button.title = `Map of ${nameOf(i)}`;
    });
  }

  function drawSpectra(frame) {
    const found = frame.spectra;
    if (!found) return;
    if (root.clientWidth) {
      spectra.width = Math.max(300, Math.min(760, root.clientWidth - 4));
      spectra.canvas.style.width = `${spectra.width}px`;
    }
    const c = context(spectra, el);
    const left = 8, right = spectra.width - 8, top = 6, bottom = spectra.height - 32;
    const data = floats(found.data), points = found.points, chosen = model.get("selected");
    let low = 0;
    for (const value of data) if (value < low) low = value;
    const axis = model.get("axis");
    axisBelow(c, spectra, floats(axis.values), axis.label, left, right, bottom);
    for (let i = 0; i < frame.n; i++) {
      if (!isShown(i)) continue;
      c.strokeStyle = colourOf(i);
      c.setLineDash(DASHES[i % DASHES.length]);
      c.lineWidth = chosen === i ? 2.6 : 1.3;
      c.globalAlpha = chosen === -1 || chosen === i ? 1 : 0.3;
      lines(c, data, points, i, left, right, top, bottom, low);
    }
    c.setLineDash([]);
    c.globalAlpha = 1;
  }

  function draw() {
    queued = false;
    const frame = model.get("frame");
    if (!frame || frame.n === undefined) return;
    course.hidden = spectra.box.hidden = false;
    drawObjective(frame);
    drawRelevance(frame);
    drawMaps(frame);
    drawSpectra(frame);
    residual.box.hidden = !frame.residual;
    if (frame.residual) {
      image(residual.canvas, frame.residual, 0, model.get("lut"));
      shape(residual.canvas, frame.residual, 110);
    }
    drawn += 1;
    root.dataset.drawn = String(drawn);
    root.dataset.phase = frame.phase ?? "";
  }

  function redraw() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }

  function drawRegion(rectangle) {
    const overview = model.get("overview");
    where.hidden = !overview || !overview.maps;
    if (where.hidden) return;
    const { maps: thumb, sizes } = overview;
    image(region.canvas, thumb, 0, model.get("lut"));
    shape(region.canvas, thumb, 180);
    const ranges = model.get("ranges");
    const [[x0, x1], [y0, y1]] = rectangle
      ?? [ranges[0], ranges[1] ?? [0, 1]].map((each, i) => each.map((v) => v / sizes[i]));
    const c = region.canvas.getContext("2d");
    c.strokeStyle = "#ffffff";
    c.lineWidth = Math.max(thumb.width, thumb.height) / 90;
    c.setLineDash([3 * c.lineWidth, 2 * c.lineWidth]);
    c.strokeRect(x0 * thumb.width, y0 * thumb.height,
      (x1 - x0) * thumb.width, (y1 - y0) * thumb.height);
  }

  function drawSpan(range) {
    const overview = model.get("overview");
    if (!overview || !overview.spectrum) { span.box.hidden = true; return; }
    span.box.hidden = false;
    const c = context(span, el);
    const left = 8, right = span.width - 8, top = 6, bottom = span.height - 32;
    const axis = model.get("axis");
    const [a, b] = range ?? model.get("channels").map((v) => v / overview.channels);
    c.fillStyle = colourOf(5);
    c.globalAlpha = 0.25;
    c.fillRect(left + a * (right - left), top, (b - a) * (right - left), bottom - top);
    c.globalAlpha = 1;
    c.fillStyle = getComputedStyle(el).color;
    axisBelow(c, span, floats(axis.values), axis.label, left, right, bottom);
    lines(c, floats(overview.spectrum.data), overview.spectrum.points, 0,
      left, right, top, bottom, 0);
  }

  function chosenRanges([xa, ya], [xb, yb]) {
    const whole = Math.abs(xa - xb) < 0.02 && Math.abs(ya - yb) < 0.02;
    return whole ? [[0, 1], [0, 1]]
      : [[Math.min(xa, xb), Math.max(xa, xb)], [Math.min(ya, yb), Math.max(ya, yb)]];
  }

  drag(region.canvas, (from, to) => {
    const { sizes } = model.get("overview");
    const parts = chosenRanges(from, to);
    model.set("ranges", sizes.map((size, i) => {
      const start = Math.min(Math.floor(parts[i][0] * size), size - 1);
      return [start, Math.max(Math.ceil(parts[i][1] * size), start + 1)];
    }));
    model.save_changes();
  }, (from, to) => drawRegion(chosenRanges(from, to)));

  function chosenSpan([xa], [xb]) {
    const inside = (v) => Math.min(Math.max((v * span.width - 8) / (span.width - 16), 0), 1);
    const [a, b] = [inside(Math.min(xa, xb)), inside(Math.max(xa, xb))];
    return b - a < 0.02 ? [0, 1] : [a, b];
  }

  drag(span.canvas, (from, to) => {
    const { channels } = model.get("overview");
    const [a, b] = chosenSpan(from, to);
    model.set("channels", [Math.floor(a * channels), Math.ceil(b * channels)]);
    model.save_changes();
  }, (from, to) => drawSpan(chosenSpan(from, to)));

  function drawKept() {
    const other = model.get("kept");
    kept.replaceChildren();
    kept.hidden = !other || !other.maps;
    if (kept.hidden) return;
    make(kept, "h4", "", "Kept for comparison");
    const row = make(kept, "div", "sd-maps");
    for (let i = 0; i < other.n; i++) {
      const box = make(row, "div", "sd-map");
      const canvas = make(box, "canvas");
      image(canvas, other.maps, i, model.get("lut"));
      shape(canvas, other.maps, 92);
      box.style.borderColor = colourOf(i);
      make(box, "span", "", other.names[i]);
    }
    const list = make(kept, "ul");
    for (const text of other.pairs) make(list, "li", "", text);
  }

  const observed = {
    "change:frame": redraw,
    "change:names": redraw,
    "change:shown": redraw,
    "change:selected": redraw,
    "change:overview": () => { drawRegion(); drawSpan(); },
    "change:ranges": () => drawRegion(),
    "change:channels": () => drawSpan(),
    "change:kept": drawKept,
    "change:code": () => { copied.textContent = ""; },
  };

  for (const [name, handler] of Object.entries(observed)) model.on(name, handler);
  redraw();
  drawRegion();
  drawSpan();
  drawKept();
  return () => {
    for (const [name, handler] of Object.entries(observed)) model.off(name, handler);
  };
}

export default { render };
